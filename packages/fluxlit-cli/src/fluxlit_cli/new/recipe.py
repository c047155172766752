"""The files of a project: templates, adopted code, deployment files."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

from fluxlit_cli.new.adoption import Adopted
from fluxlit_cli.new.errors import NewError
from fluxlit_cli.new.folder import SECRET, Content

GROUP = "fluxlit.scaffolds"
"""Entry points that write files of a project: a function from facts about it to file contents by path."""

ProfileName = Literal["minimal", "auth", "deploy", "full"]

_SUFFIX = ".template"
_CORE = ("fluxlit-cli>=1.0,<2", "fluxlit-gateway>=1.0,<2")
_AUTH = "fluxlit-auth>=1.0,<2"
_SESSIONS = "fluxlit-sessions[encryption,redis]>=1.0,<2"

# The project works without these files; existing ones may stay.
_OPTIONAL = frozenset(
    {".env", ".env.example", ".gitignore", "README.md", "pyproject.toml", "requirements.txt", "requirements-dev.txt"}
)


@dataclass(frozen=True)
class Profile:
    """A kind of project.

    Attributes:
        name: its name.
        templates: folders of templates; later ones override earlier ones.
        requirements: required distributions.
        shipped: includes the files that `fluxlit build` writes.
        adopts: pages or API can be adopted.
        note: a note for the user.
    """

    name: str
    templates: tuple[str, ...]
    requirements: tuple[str, ...] = _CORE
    shipped: bool = False
    adopts: bool = False
    note: str = ""


_PROVIDER = "`fluxlit dev --login` signs you in without an identity provider. README.md shows how to configure yours."

PROFILES = {
    each.name: each
    for each in (
        Profile("minimal", ("minimal",), adopts=True),
        Profile("auth", ("auth",), (*_CORE, _AUTH), note=_PROVIDER),
        Profile("deploy", ("minimal", "deploy"), (*_CORE, _SESSIONS), shipped=True, adopts=True),
        Profile("full", ("full",), (*_CORE, _AUTH, _SESSIONS), shipped=True, note=_PROVIDER),
    )
}


def files(name: str, profile: Profile, adopted: tuple[Adopted, ...] = ()) -> dict[PurePosixPath, Content]:
    """Return all files of a project.

    Args:
        name: name of the project.
        profile: its profile.
        adopted: adopted pages and API.

    Raises:
        NewError: fluxlit-deploy is required and not installed.
    """
    copies = {path: Content(data) for each in adopted for path, data in each.files.items()}
    module = _free_module(adopted)
    values = _values(name, profile, adopted, module)
    own: dict[PurePosixPath, str] = {}
    for folder in _folders(profile, adopted):
        own |= {_renamed(path, module): text for path, text in _rendered(folder, values)}
    if profile.shipped:
        settings = tomllib.loads(own[PurePosixPath("fluxlit.toml")])
        login = _AUTH in profile.requirements
        facts = {"name": name, "title": values["title"], "target": f"{module}:app", "login": login}
        own |= _shipping({**facts, "settings": settings})
    return {path: _content(path, text) for path, text in own.items()} | copies


def is_installed(requirements: Iterable[str]) -> bool:
    """Whether the requirements of a project are installed."""
    try:
        return all(each.specifier.contains(metadata.version(each.name)) for each in map(Requirement, requirements))
    except metadata.PackageNotFoundError:
        return False


def title(name: str) -> str:
    """Return a title: "My admin portal" for ``my-admin_portal``."""
    words = re.sub(r"[-_]+", " ", name).strip()
    return words[:1].upper() + words[1:]


def _folders(profile: Profile, adopted: tuple[Adopted, ...]) -> tuple[str, ...]:
    if not adopted:
        return ("common", *profile.templates)
    kinds = "-".join(each.kind for each in adopted)
    return ("common", "adopted", f"adopted-{kinds}", *profile.templates[1:])


def _values(name: str, profile: Profile, adopted: tuple[Adopted, ...], module: str) -> dict[str, str]:
    requirements = sorted(profile.requirements)
    values = {
        "name": name,
        "distribution": name.rstrip("-_"),
        "dependencies": "".join(f'    "{each}",\n' for each in requirements),
        "find_links": _find_links(),
        "title": title(name),
        "module": module,
        "requirements": "\n".join(requirements),
        "secret": secrets.token_urlsafe(48),
        "password": secrets.token_urlsafe(32),
        "untouched": ", ".join(f'"{path}"' for each in adopted for path in each.sources),
    }
    for each in adopted:
        values |= each.values
    return values


def _find_links() -> str:
    """Return the option by which pip finds FluxLit again, for a README.

    Empty if it is from an index; a wheel's folder if it is from a file, which no index may have.
    """
    origin = json.loads(metadata.distribution("fluxlit-cli").read_text("direct_url.json") or "{}")
    url = urlsplit(str(origin.get("url", "")))
    local = url.scheme == "file" and url.path.endswith(".whl")
    return f" --find-links {shlex.quote(str(Path(unquote(url.path)).parent))}" if local else ""


def _free_module(adopted: tuple[Adopted, ...]) -> str:
    """Return the name of the module with the FluxLit object.

    Adopted code may have taken the default name.
    """
    taken = {path for each in adopted for path in each.sources}
    return next(name for name in ("app", "fluxlit_app", "fluxlit_main") if f"{name}.py" not in taken)


def _rendered(folder: str, values: Mapping[str, str]) -> Iterator[tuple[PurePosixPath, str]]:
    root = Path(str(resources.files("fluxlit_cli"))) / "templates" / folder
    for source in sorted(root.rglob(f"*{_SUFFIX}")):
        path = PurePosixPath(source.relative_to(root).as_posix())
        # A leading "dot-" keeps hidden files visible in this repository.
        name = re.sub(r"^dot-", ".", path.name.removesuffix(_SUFFIX))
        yield path.with_name(name), Template(source.read_text("utf-8")).substitute(values)


def _renamed(path: PurePosixPath, module: str) -> PurePosixPath:
    return PurePosixPath(f"{module}.py") if path == PurePosixPath("app.py") else path


def _content(path: PurePosixPath, text: str) -> Content:
    mode = SECRET if path.name == ".env" else None
    return Content(text.encode(), optional=str(path) in _OPTIONAL, mode=mode)


def _shipping(facts: Mapping[str, Any]) -> dict[PurePosixPath, str]:
    """Return the deployment files, from the entry point of fluxlit-deploy."""
    found = next(iter(metadata.entry_points(group=GROUP, name="deploy")), None)
    if found is None:
        raise NewError("This profile needs fluxlit-deploy: pip install fluxlit-deploy.")
    try:
        shipped: Mapping[str, str] = found.load()(facts)
    except Exception as error:
        raise NewError(f"{found.value} failed: {type(error).__name__}: {error}") from error
    return {PurePosixPath(path): text for path, text in shipped.items()}
