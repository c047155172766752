"""`Project`: the description of an application for the generators."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from fluxlit_deploy.build_table import PACKAGE, BuildTable, build_table
from fluxlit_deploy.dependencies import PYPROJECT, Dependencies, LockKind, Wanted, find_dependencies, requires_python
from fluxlit_deploy.dockerignore import Ignored, inspect_ignored
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.system_libraries import headers, libraries
from fluxlit_deploy.text import read_text, read_toml

PYTHONS = ("3.12", "3.13", "3.11")
"""Versions of Python that FluxLit runs on, the preferred one first."""

WORKERS_STOP_S = 10.0
"""Time that the gateway's own end may take after the drain: workers get SIGTERM, then SIGKILL."""

IMPORT_S = 30
"""Time that the application's own imports may take in a container with little of a processor."""

_IMPORT_TIMEOUT_S = 120


@dataclass(frozen=True)
class Project:
    """An application as far as its deployment goes, on every machine the same.

    Attributes:
        name: for images, services and objects: lower-case letters, digits and hyphens (RFC 1123).
        title: for people.
        target: ``module:attribute``, or the path of a file relative to the project.
        python: minor version of Python, such as ``3.12``.
        dependencies: what to install.
        build: further wishes of the project file.
        login: pages and API ask for a login.
        has_ui: there are pages.
        settings: every setting that is no secret, by name, without the `.env` and the environment of this machine.
        ignored: what the project adds to its `.dockerignore`.
        packages: Debian packages that ``packages.txt`` names, as Streamlit Community Cloud has it.
    """

    name: str
    title: str
    target: str
    python: str = PYTHONS[0]
    dependencies: Dependencies = field(default_factory=lambda: Dependencies(LockKind.NONE))
    build: BuildTable = field(default_factory=BuildTable)
    login: bool = False
    has_ui: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    ignored: Ignored = field(default_factory=Ignored)
    packages: tuple[str, ...] = ()

    @property
    def system_packages(self) -> list[str]:
        """Debian packages of the image that runs."""
        return sorted({*self.build.system_packages, *self.packages, *libraries(self.dependencies.names)})

    @property
    def build_packages(self) -> list[str]:
        """Debian packages of the build stage, with those of the image itself."""
        found = {*self.build.build_packages, *headers(self.dependencies.names)}
        git = {"git"} if self.dependencies.git else set()
        return sorted({*found, *git, *(self.system_packages if found else [])})

    @property
    def build_secrets(self) -> tuple[str, ...]:
        """Names of the secrets that the installation of the dependencies reads."""
        dependencies = self.dependencies
        netrc = self.build.index_url or dependencies.private_index or dependencies.git
        return (*(["netrc"] if netrc else []), *dependencies.variables)

    @property
    def port(self) -> int:
        """The port inside the container. Port 0, any free one, is of no use there."""
        return int(self.settings.get("gateway_port") or 8000)

    @property
    def root_path(self) -> str:
        """Public prefix, empty or ``/a/b``."""
        return str(self.settings.get("root_path", ""))

    @property
    def api_path(self) -> str:
        """Path of the API below the root path."""
        return str(self.settings.get("api_mount_path", "/api"))

    @property
    def workers(self) -> int | Literal["auto"]:
        """Streamlit processes in one replica; ``auto``: one per processor."""
        if self.mode != "workers":
            return 0
        found = self.settings.get("streamlit_workers", 1)
        return "auto" if found == "auto" else int(found)

    @property
    def api_workers(self) -> int | Literal["auto"]:
        """API processes in one replica; 0 for an API in the gateway's."""
        found = self.settings.get("api_workers", 0)
        return "auto" if found == "auto" else int(found)

    @property
    def mode(self) -> str:
        """Where the UI runs: ``workers``, ``embedded`` or ``external``."""
        return str(self.settings.get("streamlit_mode", "workers"))

    @property
    def session_store(self) -> str | None:
        """URL of the session store without its password, `None` without sessions."""
        found = self.settings.get("session_store")
        return str(found) if found else None

    @property
    def drain_delay_s(self) -> float:
        """Seconds between SIGTERM and the end of accepting connections."""
        return float(self.settings.get("gateway_drain_delay_s", 0.0))

    @property
    def graceful_timeout_s(self) -> float:
        """Seconds that open requests get after that."""
        return float(self.settings.get("uvicorn_graceful_shutdown_timeout_s", 30.0))

    @property
    def start_seconds(self) -> int:
        """Seconds from the start of the process until it must be ready."""
        return math.ceil(float(self.settings.get("streamlit_start_timeout_s", 60.0))) + IMPORT_S

    @property
    def api_end_s(self) -> float:
        """Seconds for the end of the API's lifespan, after the open requests."""
        return float(self.settings.get("api_shutdown_timeout_s", 10.0))

    @property
    def stop_seconds(self) -> int:
        """Seconds from SIGTERM to the exit in the worst case."""
        return math.ceil(self.drain_delay_s + self.graceful_timeout_s + self.api_end_s + WORKERS_STOP_S)


def inspect_project(directory: Path, target: str | None = None, output: Path | None = None) -> Project:
    """Describe the project in a directory; a child process imports it.

    Args:
        directory: the project's folder.
        target: ``module:attribute``; by default that of the project.
        output: where files will be written; by default the project's folder.

    Raises:
        DeployError: the project cannot be described; the message has the reason.
    """
    facts = _facts(directory, target)
    root = Path(facts["root"])
    if root != directory.resolve():
        raise DeployError(f"The project file is in {root}: run the command there, so that paths mean the same.")
    project = read_toml(directory / PYPROJECT)
    name = project.get("project", {}).get("name") or project.get("tool", {}).get("poetry", {}).get("name")
    build = build_table(facts["build"])
    python = _python(directory, *requires_python(directory))
    wanted = Wanted(build.extras, build.groups, build.requirements, build.package)
    return Project(
        name=slug(str(name or directory.resolve().name)),
        title=str(facts["settings"].get("title", "")),
        target=_relative(facts["target"], directory),
        python=python,
        dependencies=find_dependencies(directory, wanted, python),
        build=build,
        login=facts["login"],
        has_ui=facts["has_ui"],
        settings=facts["settings"],
        ignored=inspect_ignored(directory, output or directory),
        packages=_packages(directory),
    )


def _packages(directory: Path) -> tuple[str, ...]:
    file = directory / "packages.txt"
    lines = read_text(file).splitlines() if file.is_file() else []
    found = {line.partition("#")[0].strip() for line in lines} - {""}
    if wrong := sorted(each for each in found if not PACKAGE.fullmatch(each)):
        raise DeployError(f'packages.txt holds "{wrong[0]}", which is no name of a Debian package.')
    return tuple(sorted(found))


def slug(name: str) -> str:
    """Turn a name into one for images and objects, of at most 40 characters."""
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return found if found[:1].isalpha() else f"app-{found}".strip("-")


def _facts(directory: Path, target: str | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "fluxlit_cli.facts", *([target] if target else [])]
    # This machine's settings must not get into files for others; which target is meant is another matter.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FLUXLIT_") or key == "FLUXLIT_APP"}
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            command, cwd=directory, env=kept, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeployError(
            f"Importing the application took more than {_IMPORT_TIMEOUT_S} seconds. Move slow work out of the module, "
            f"into a page or into the API's lifespan."
        ) from None
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DeployError(f"The application ended its process while it was imported: {last}") from None
    if "error" in facts:
        raise DeployError(facts["error"])
    return facts


def _relative(target: str, directory: Path) -> str:
    """Return a target with its path relative to the project."""
    place, colon, attribute = target.rpartition(":") if ":" in target else (target, "", "")
    if not (place.endswith(".py") or "/" in place):
        return target
    path = (directory / place).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise DeployError(f"Target {target!r} is outside the project {directory.resolve()}, and so outside the image.")
    return f"./{path.relative_to(directory.resolve()).as_posix()}{colon}{attribute}"


def _python(directory: Path, file: str, requires: str) -> str:
    chosen = directory / ".python-version"
    if chosen.is_file() and (found := re.match(r"\s*(?:cpython-?)?(3\.\d+)", read_text(chosen))):
        if found[1] not in PYTHONS:
            raise DeployError(f".python-version asks for Python {found[1]}; FluxLit runs on {', '.join(PYTHONS)}.")
        return found[1]
    try:
        allowed = SpecifierSet(requires)
    except InvalidSpecifier:
        raise DeployError(f'{file}: the required version of Python, "{requires}", is not valid.') from None
    for version in PYTHONS:
        # A late patch release, because ">=3.12.4" admits 3.12 as well.
        if allowed.contains(f"{version}.99") or any(allowed.contains(f"{version}.{patch}") for patch in range(40)):
            return version
    raise DeployError(
        f'{file}: the required version of Python, "{requires}", admits none of {", ".join(PYTHONS)}, on which FluxLit '
        f"runs. Widen it, and lock the dependencies again."
    )
