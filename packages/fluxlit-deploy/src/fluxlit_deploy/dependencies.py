"""`Dependencies`: what a project needs, found in its files."""

from __future__ import annotations

import ast
import configparser
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from fluxlit_deploy import locks, uv_lock
from fluxlit_deploy.build_backends import is_package, version_argument
from fluxlit_deploy.constraints import python_specifier
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.foreign_dependencies import (
    CONDA_FILES,
    conda_dependencies,
    conda_error,
    pixi_dependencies,
    unread,
)
from fluxlit_deploy.locks import Choice
from fluxlit_deploy.requirements_file import index_url, inside, local_path, requirement_lines, requirement_name
from fluxlit_deploy.text import read_text, read_toml

UV_LOCK, PYPROJECT = uv_lock.FILE, "pyproject.toml"

# By pip and by Rye.
_REQUIREMENTS = ("requirements.txt", "requirements.lock")

# Settings of uv that name an index other than the public one.
_INDEXES = frozenset({"index", "index-url", "extra-index-url"})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
# Either distribution brings the `fluxlit` command that the image starts with.
_COMMAND = frozenset({"fluxlit", "fluxlit-cli"})
_REDIS = re.compile(r"(redis|fluxlit)(?![\w.-])|fluxlit[-_]sessions\[[^]]*\bredis\b", re.IGNORECASE)


class LockKind(StrEnum):
    """Where versions come from, best first."""

    UV = "uv"
    HASHED = "hashed"
    UNHASHED = "unhashed"
    PYPROJECT = "pyproject"
    SOURCE = "source"
    """Only the build of the project names them: `setup.py`, dynamic dependencies."""
    NONE = "none"


@dataclass(frozen=True)
class Wanted:
    """What `[build]` chooses of a project.

    Attributes:
        extras: extras to install.
        groups: groups of dependencies to install besides the main one.
        requirements: the requirements file to use; empty to look for one.
        package: the member of a uv workspace to install; empty for the project at its root.
    """

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    requirements: str = ""
    package: str = ""


@dataclass(frozen=True)
class Dependencies:
    """What to install and from where.

    Attributes:
        kind: how exactly versions are known.
        file: the file that names them, relative to the project; `None` when there is none.
        local: further files that an installation reads, relative to the project.
        folders: folders of the project that are packages, by path or, in a uv.lock, by name.
        installs_project: the project is a package of its own that its build system can build.
        has_command: the `fluxlit` command is among the dependencies.
        private_index: some come from an index that is not the public one.
        has_redis: the client of Redis is among the dependencies.
        names: canonical names of the dependencies, as far as the files name them.
        git: some come from Git repositories.
        needs_source: their installation needs the whole project.
        generated: text of a requirements file that was made of `file`; empty if uv reads `file` itself.
        digests: SHA-256 of the files that `generated` was made of, by path.
        variables: variables in the addresses of requirements, which are secrets of the build.
        version_argument: build argument that replaces a version out of Git, empty for none.
        hint: what in `[build]` would bring the `fluxlit` command.
        wanted: what `[build]` chooses.
        conda: a file for conda or pixi beside these, and the packages that it alone names.
    """

    kind: LockKind
    file: str | None = None
    local: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    installs_project: bool = False
    has_command: bool = False
    private_index: bool = False
    has_redis: bool = False
    names: frozenset[str] = frozenset()
    git: bool = False
    needs_source: bool = False
    generated: str = ""
    digests: tuple[tuple[str, str], ...] = ()
    variables: tuple[str, ...] = ()
    version_argument: str = ""
    hint: str = ""
    wanted: Wanted = Wanted()
    conda: tuple[str, tuple[str, ...]] = ("", ())

    @property
    def locked(self) -> bool:
        """Every file that is installed is known by its hash."""
        return self.kind in {LockKind.UV, LockKind.HASHED}

    @property
    def exact(self) -> bool:
        """Every requirement has a hash."""
        lines = self.generated.replace("\\\n", "").splitlines()
        hashed = all("--hash" in each for each in lines if not each.startswith("-"))
        return self.kind is LockKind.HASHED and hashed and not (self.git or self.needs_source)


def find_dependencies(directory: Path, wanted: Wanted | None = None, python: str = "3.12") -> Dependencies:
    """Find out what to install, from the best file that is there.

    Args:
        directory: the project's folder.
        wanted: what `[build]` chooses.
        python: minor version of Python of the image.

    Raises:
        DeployError: a file cannot be read, refers to something outside the project, or cannot be built into an image.
    """
    wanted = wanted or Wanted()
    project = read_toml(directory / PYPROJECT)
    found = next(found for find in _FINDERS if (found := find(directory, project, wanted, python)) is not None)
    _refuse_ssh(directory, found)
    own = found.kind in {LockKind.UV, LockKind.SOURCE} or "build-system" not in project
    packaged = found.installs_project if own else "." not in found.folders and is_package(directory, project)
    settings = _uv_settings(directory, project, found)
    return replace(
        found,
        wanted=wanted,
        local=(*found.local, *settings),
        private_index=found.private_index or (bool(settings) and _names_index(directory, project)),
        conda=_conda(directory, project, found),
        installs_project=packaged,
        version_argument=version_argument(project) if packaged or found.needs_source else "",
    )


def _uv_settings(directory: Path, project: Mapping[str, Any], found: Dependencies) -> tuple[str, ...]:
    """Return the files with settings of uv, such as an index."""
    if found.kind in {LockKind.SOURCE, LockKind.NONE}:
        return ()
    files = ["uv.toml"] if (directory / "uv.toml").is_file() else []
    if found.kind in {LockKind.HASHED, LockKind.UNHASHED} and "uv" in project.get("tool", {}):
        files.append(PYPROJECT)
    return tuple(each for each in files if each not in (*found.local, found.file))


def _conda(directory: Path, project: Mapping[str, Any], found: Dependencies) -> tuple[str, tuple[str, ...]]:
    """Return the packages that only conda would install, with their file."""
    for file, names in (pixi_dependencies(directory, project), conda_dependencies(directory)[:2]):
        if missing := [name for name in names if canonicalize_name(name) not in found.names]:
            return file, tuple(missing)
    return "", ()


def _from_uv(directory: Path, project: Mapping[str, Any], wanted: Wanted, _python: str) -> Dependencies | None:
    if not (directory / UV_LOCK).is_file():
        _refuse_member(directory)
        return None
    if not (directory / PYPROJECT).is_file():
        raise DeployError("uv.lock belongs to a pyproject.toml, and there is none beside it.")
    lock = uv_lock.read_lock(directory, wanted.package)
    names = lock.reached(wanted.extras, wanted.groups)
    sources, folders = lock.sources(names), lock.folders(names)
    everything = lock.folders(lock.packages)
    indexes = {place for _, kind, place in lock.sources(lock.packages) if kind == "registry" and "://" in place}
    files = {place for _, kind, place in sources if kind in {"path", "registry"} and "://" not in place}
    places = [place for place in everything.values() if place != "." and (directory / place / PYPROJECT).is_file()]
    members = {f"{place}/{PYPROJECT}" for place in places}
    commands = [lock.place_of(name) for name in sorted(_COMMAND)]
    return Dependencies(
        LockKind.UV,
        UV_LOCK,
        tuple(sorted({inside(each, UV_LOCK) for each in files} | members)),
        tuple(sorted(name for name, place in folders.items() if place != ".")),
        _is_editable(lock),
        _brings_command(names),
        _names_index(directory, project) or len(indexes) > 1,
        _brings_redis(names),
        frozenset(names),
        any(kind == "git" for _, kind, _ in sources),
        hint=next((each for each in commands if each), ""),
    )


def _is_editable(lock: uv_lock.UvLock) -> bool:
    return "editable" in lock.packages.get(lock.root, {}).get("source", {})


def _names_index(directory: Path, project: Mapping[str, Any]) -> bool:
    """Whether a file names another index for uv."""
    settings = {**read_toml(directory / "uv.toml"), **project.get("tool", {}).get("uv", {})}
    return not _INDEXES.isdisjoint(settings)


def _refuse_member(directory: Path) -> None:
    """Refuse a member of a uv workspace: its lock file is outside its folder."""
    for parent in directory.resolve().parents:
        patterns = read_toml(parent / PYPROJECT).get("tool", {}).get("uv", {}).get("workspace", {}).get("members", [])
        if any(directory.resolve() in parent.glob(str(pattern)) for pattern in patterns):
            below = directory.resolve().relative_to(parent).as_posix()
            raise DeployError(
                f"This folder is a member of the uv workspace in {parent}, and an image needs the whole workspace. Run "
                f"fluxlit build ./{below}/FILE.py:app in {parent}, with package of [build] set to the name of this one."
            )


def _converted(
    file: str, command: str, convert: Callable[[Path, Choice], list[str]]
) -> Callable[..., Dependencies | None]:
    def find(directory: Path, _project: Mapping[str, Any], wanted: Wanted, python: str) -> Dependencies | None:
        if not (directory / file).is_file():
            return None
        lines = convert(directory, Choice(wanted.extras, wanted.groups, python))
        if missing := locks.missing_names(directory, file):
            raise DeployError(
                f"{file} is older than the project's dependencies: it lacks {', '.join(missing)}. Lock them again "
                f"({command}), and commit the file."
            )
        return _generated(directory, file, lines, ["--hash" in each for each in lines if _is_plain(each)])

    return find


def _is_plain(line: str) -> bool:
    return not line.startswith(("-", ".")) and " @ " not in line


def _generated(directory: Path, file: str, lines: list[str], hashed: list[bool]) -> Dependencies:
    kind = LockKind.HASHED if hashed and all(hashed) else LockKind.UNHASHED
    text = "".join(f"{each}\n" for each in lines)
    digests = ((file, hashlib.sha256((directory / file).read_bytes()).hexdigest()),)
    found = _described(kind, file, [(file, line) for line in lines], private=bool(lines) and lines[0].startswith("-"))
    return replace(found, generated=text, digests=digests, local=tuple(each for each in found.local if each != file))


def _from_chosen(directory: Path, _project: Mapping[str, Any], wanted: Wanted, _python: str) -> Dependencies | None:
    if not wanted.requirements:
        return None
    if not (directory / wanted.requirements).is_file():
        raise DeployError(f"{wanted.requirements}, which requirements of [build] names, is not there.")
    return _requirements(directory, wanted.requirements)


def _from_requirements(directory: Path, *_: Any) -> Dependencies | None:
    file = next((each for each in _REQUIREMENTS if (directory / each).is_file()), None)
    return _requirements(directory, file) if file else None


def _requirements(directory: Path, file: str) -> Dependencies:
    lines = list(requirement_lines(directory, file))
    kind = LockKind.HASHED if any("--hash" in text for _, text in lines) else LockKind.UNHASHED
    indexes = [index_url(text) for _, text in lines]
    return _described(kind, file, lines, private=bool(locks.private_indexes(indexes)))


def _described(kind: LockKind, file: str, lines: list[tuple[str, str]], *, private: bool) -> Dependencies:
    """Describe requirements, each with the file that it is in."""
    texts = [text for _, text in lines if text]
    places = {place for text in texts if (place := local_path(text)) is not None}
    wheels = {place for place in places if re.search(r"\.(whl|tar\.gz|zip)$", place)}
    folders = {each for each in places - wheels if not _is_found_by(each, texts)}
    names = [requirement_name(text) for text in texts if re.match(r"[^-]|-e|--editable", text)]
    return Dependencies(
        kind,
        file,
        tuple(sorted((places - folders | {each for each, _ in lines}) - {file})),
        tuple(sorted(folders)),
        has_command=_brings_command(names),
        has_redis=_brings_redis(texts),
        private_index=private,
        names=_names(names),
        git=any("git+" in text for text in texts),
        needs_source=bool(folders),
        variables=tuple(sorted({name for text in texts for name in _VARIABLE.findall(text)})),
    )


def _is_found_by(place: str, texts: list[str]) -> bool:
    """Whether a folder is one with wheels (``--find-links``)."""
    return any(text.startswith(("-f", "--find-links")) and local_path(text) == place for text in texts)


def _from_project(directory: Path, project: Mapping[str, Any], wanted: Wanted, _python: str) -> Dependencies | None:
    table = project.get("project", {})
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies")
    if "dependencies" in table.get("dynamic", []) and not poetry:
        return _from_dynamic(directory, project, wanted)
    texts = [str(each) for each in table.get("dependencies", [])]
    texts += [str(each) for name in wanted.extras for each in table.get("optional-dependencies", {}).get(name, [])]
    groups = project.get("dependency-groups", {})
    texts += [each for name in wanted.groups for each in _group(groups, name)]
    if not texts:
        return None
    sources = project.get("tool", {}).get("uv", {}).get("sources", {}).values()
    ways = {key for each in sources for one in (each if isinstance(each, list) else [each]) for key in one}
    found = _described(LockKind.PYPROJECT, PYPROJECT, [(PYPROJECT, each) for each in texts], private=False)
    return replace(
        found,
        git=found.git or "git" in ways,
        needs_source=found.needs_source or not ways.isdisjoint({"path", "workspace"}),
        private_index=_names_index(directory, project) or "source" in project.get("tool", {}).get("pdm", {}),
        hint=_hint(table.get("optional-dependencies", {}), groups),
    )


def _group(groups: Mapping[str, Any], name: str, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the requirements of a group, with those that it includes.

    PEP 735.
    """
    for each in groups.get(name, []) if name not in above else ():
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            yield from _group(groups, str(each.get("include-group")), above | {name})


def _hint(extras: Mapping[str, Any], groups: Mapping[str, Any]) -> str:
    for key, table in (("extras", extras), ("groups", groups)):
        for name, texts in table.items():
            if _brings_command(each for each in texts if isinstance(each, str)):
                return f'{key} = ["{name}"]'
    return ""


def _from_dynamic(directory: Path, project: Mapping[str, Any], wanted: Wanted) -> Dependencies:
    """Describe a project that gets its dependencies when it is built."""
    dynamic = project.get("tool", {}).get("setuptools", {}).get("dynamic", {}).get("dependencies", {})
    files = dynamic.get("file", []) if isinstance(dynamic, Mapping) else []
    files = [files] if isinstance(files, str) else files
    lines = [line for file in files for line in requirement_lines(directory, str(file))]
    found = _described(LockKind.SOURCE, PYPROJECT, lines, private=any(index_url(text) for _, text in lines))
    return _as_source(directory, project, replace(found, has_command=found.has_command or not lines), wanted)


def _as_source(directory: Path, project: Mapping[str, Any], found: Dependencies, _wanted: Wanted) -> Dependencies:
    if not is_package(directory, project):
        raise DeployError(
            f"{found.file} names the dependencies only while the project is built, and its build backend would find no "
            f"package, or several. Name the packages for it (packages in [tool.setuptools]), or list the dependencies "
            f"under [project] in pyproject.toml."
        )
    return replace(found, needs_source=True, local=())


def _from_poetry(directory: Path, project: Mapping[str, Any], _wanted: Wanted, _python: str) -> Dependencies | None:
    table = project.get("tool", {}).get("poetry", {}).get("dependencies", {})
    if not set(table) - {"python"}:
        return None
    urls = [str(each.get("url", "")) for each in project["tool"]["poetry"].get("source", [])]
    lines = [f"--extra-index-url {each}" for each in locks.private_indexes(urls)]
    return _generated(directory, PYPROJECT, [*lines, *locks.table_lines(table, PYPROJECT)], [])


def _from_pipfile(directory: Path, _project: Mapping[str, Any], wanted: Wanted, _python: str) -> Dependencies | None:
    if not (directory / "Pipfile").is_file():
        return None
    found = read_toml(directory / "Pipfile")
    urls = [str(each.get("url", "")) for each in found.get("source", [])]
    lines = [f"--extra-index-url {each}" for each in locks.private_indexes(urls)]
    for category in ("packages", *wanted.groups):
        lines += locks.table_lines(found.get(category, {}), "Pipfile")
    return _generated(directory, "Pipfile", lines, [])


def _from_other_requirements(directory: Path, *_: Any) -> Dependencies | None:
    if (directory / "requirements.in").is_file():
        return _requirements(directory, "requirements.in")
    paths = [path for pattern in ("*requirements*.txt", "requirements/*.txt") for path in directory.glob(pattern)]
    files = sorted(path.relative_to(directory).as_posix() for path in paths)
    if not files:
        return None
    shown = next((each for each in files if "prod" in each), files[-1])
    raise DeployError(
        f"Dependencies may be in {', '.join(files)}. Name the file for production in the project file, as in: "
        f'[build] requirements = "{shown}".'
    )


def _from_setup(directory: Path, project: Mapping[str, Any], wanted: Wanted, _python: str) -> Dependencies | None:
    texts = _setup_requirements(directory)
    if texts is None:
        return None
    file = "setup.py" if (directory / "setup.py").is_file() else "setup.cfg"
    found = _described(LockKind.SOURCE, file, [(file, each) for each in texts], private=False)
    return _as_source(directory, project, replace(found, has_command=found.has_command or not texts), wanted)


def _setup_requirements(directory: Path) -> list[str] | None:
    """Return what ``setup.cfg`` or ``setup.py`` names; `None` without them."""
    configured = configparser.ConfigParser(interpolation=None)
    if (directory / "setup.cfg").is_file():
        configured.read_string(read_text(directory / "setup.cfg"))
    found = configured.get("options", "install_requires", fallback="").split("\n")
    if not (directory / "setup.py").is_file():
        return [each for each in found if each] if configured.has_section("options") else None
    try:
        tree = ast.parse(read_text(directory / "setup.py"))
    except SyntaxError as error:
        raise DeployError(f"setup.py cannot be read: {error}.") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "install_requires" and isinstance(node.value, ast.List):
            found += [str(each.value) for each in node.value.elts if isinstance(each, ast.Constant)]
    return [each.strip() for each in found if each.strip()]


def _from_conda(directory: Path, *_: Any) -> Dependencies | None:
    file, foreign, lines = conda_dependencies(directory)
    if file and (foreign or not lines):
        raise conda_error(file, foreign)
    return _generated(directory, file, lines, []) if file else None


def _nothing(directory: Path, project: Mapping[str, Any], *_: Any) -> Dependencies:
    for message in unread(directory, project):
        raise DeployError(message)
    return Dependencies(LockKind.NONE)


def _refuse_ssh(directory: Path, found: Dependencies) -> None:
    text = found.generated or (read_text(directory / found.file) if found.git and found.file else "")
    if found.git and re.search(r"git\+ssh://|ssh://git@|git@[\w.-]+:", text):
        raise DeployError(
            f"{found.file} names a Git repository by SSH, for which an image would need a key. Use its https address; "
            f"the password or token comes from a netrc file: docker build --secret id=netrc,src=$HOME/.netrc ."
        )


def _names(requirements: Iterable[str]) -> frozenset[str]:
    found = (_NAME.match(requirement) for requirement in requirements)
    return frozenset(canonicalize_name(name[0]) for name in found if name)


def _brings_command(requirements: Iterable[str]) -> bool:
    return not _COMMAND.isdisjoint(_names(requirements))


def _brings_redis(requirements: Iterable[str]) -> bool:
    return any(_REDIS.match(requirement) for requirement in requirements)


_FINDERS: tuple[Callable[..., Dependencies | None], ...] = (
    _from_chosen,
    _from_uv,
    _converted("poetry.lock", "poetry lock", locks.poetry_lines),
    _converted("pdm.lock", "pdm lock", locks.pdm_lines),
    _converted("Pipfile.lock", "pipenv lock", locks.pipenv_lines),
    _converted("pylock.toml", "pip lock or uv export", locks.pylock_lines),
    _from_requirements,
    _from_project,
    _from_poetry,
    _from_pipfile,
    _from_other_requirements,
    _from_setup,
    _from_conda,
    _nothing,
)


def requires_python(directory: Path) -> tuple[str, str]:
    """Return the file that limits the version of Python, and the specifier.

    Raises:
        DeployError: a file cannot be read.
    """
    for file, found in _python_requirements(directory):
        if found:
            return file, found
    return "", ""


def _python_requirements(directory: Path) -> Iterator[tuple[str, str]]:
    project = read_toml(directory / PYPROJECT)
    yield PYPROJECT, str(project.get("project", {}).get("requires-python") or "")
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
    yield PYPROJECT, python_specifier(str(poetry or ""))
    required = read_toml(directory / "Pipfile").get("requires", {})
    version = str(required.get("python_full_version") or required.get("python_version") or "")
    yield "Pipfile", f"=={version}" + (".*" if version.count(".") == 1 else "") if version else ""
    for file in ("setup.cfg", "setup.py"):
        text = read_text(directory / file) if (directory / file).is_file() else ""
        found = re.search(r"python_requires\s*=\s*['\"]?([<>=!~0-9.,* ]+)", text)
        yield file, found[1].strip() if found else ""
    for file in CONDA_FILES:
        text = read_text(directory / file) if (directory / file).is_file() else ""
        found = re.search(r"-\s*['\"]?python\s*=+\s*(\d+\.\d+)", text)
        yield file, f"=={found[1]}.*" if found else ""
