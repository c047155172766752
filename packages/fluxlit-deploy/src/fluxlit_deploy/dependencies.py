"""`Dependencies`: how a project says what it needs, found by looking at its files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from fluxlit_deploy.errors import DeployError

UV_LOCK, REQUIREMENTS, PYPROJECT = "uv.lock", "requirements.txt", "pyproject.toml"

# Settings of uv that name an index other than the public one.
_INDEXES = frozenset({"index", "index-url", "extra-index-url"})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ON_DISK = frozenset({"path", "directory", "editable", "virtual", "registry"})
# Either distribution brings the `fluxlit` command that the image starts with.
_COMMAND = frozenset({"fluxlit", "fluxlit-cli"})
_REDIS = re.compile(r"(redis|fluxlit)(?![\w.-])|fluxlit[-_]sessions\[[^]]*\bredis\b", re.IGNORECASE)


class LockKind(StrEnum):
    """Where versions come from, best first."""

    UV = "uv"
    HASHED = "hashed"
    UNHASHED = "unhashed"
    PYPROJECT = "pyproject"
    NONE = "none"


@dataclass(frozen=True)
class Dependencies:
    """What to install and from where.

    Attributes:
        kind: how exactly versions are known.
        file: the file that names them, relative to the project; `None` when there is none.
        local: further files and folders that an installation reads, relative to the project.
        installs_project: the project is a package of its own (it has a build system).
        has_command: the `fluxlit` command is among the dependencies.
        private_index: some come from an index that is not the public one.
        has_redis: the client of Redis is among the dependencies.
    """

    kind: LockKind
    file: str | None = None
    local: tuple[str, ...] = ()
    installs_project: bool = False
    has_command: bool = False
    private_index: bool = False
    has_redis: bool = False

    @property
    def locked(self) -> bool:
        """Every file that is installed is known by its hash."""
        return self.kind in {LockKind.UV, LockKind.HASHED}


def find_dependencies(directory: Path) -> Dependencies:
    """Look for ``uv.lock``, ``requirements.txt`` and ``pyproject.toml``, in this order.

    Raises:
        DeployError: one of them cannot be read, or refers to something outside the project.
    """
    project = read_toml(directory / PYPROJECT)
    packaged = "build-system" in project
    if (directory / UV_LOCK).is_file():
        return _from_lock(directory, project, packaged=packaged)
    if (directory / REQUIREMENTS).is_file():
        return _from_requirements(directory, packaged=packaged)
    if named := project.get("project", {}).get("dependencies"):
        texts = [str(each) for each in named]
        command, redis = _brings_command(texts), _brings_redis(texts)
        return Dependencies(LockKind.PYPROJECT, PYPROJECT, (), packaged, command, has_redis=redis)
    return Dependencies(LockKind.NONE, installs_project=packaged)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a missing one is empty.

    Raises:
        DeployError: it is not valid.
    """
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise DeployError(f"{path.name} cannot be read: {error}.") from None


def _from_lock(directory: Path, project: dict[str, Any], *, packaged: bool) -> Dependencies:
    packages = read_toml(directory / UV_LOCK).get("package", [])
    if not (directory / PYPROJECT).is_file():
        raise DeployError("uv.lock belongs to a pyproject.toml, and there is none beside it.")
    places = [(kind, str(place)) for package in packages for kind, place in package.get("source", {}).items()]
    indexes = {place for kind, place in places if kind == "registry" and "://" in place}
    local = {_inside(place, UV_LOCK) for kind, place in places if kind in _ON_DISK and "://" not in place}
    return Dependencies(
        LockKind.UV,
        UV_LOCK,
        tuple(sorted(local - {"."})),  # "." is the project itself, which is copied anyway
        packaged,
        _brings_command(str(package.get("name", "")) for package in packages),
        _names_index(directory, project) or len(indexes) > 1,
        _brings_redis(str(package.get("name", "")) for package in packages),
    )


def _names_index(directory: Path, project: dict[str, Any]) -> bool:
    """Whether uv is told of another index. One that only a variable names stands in no file; `index_url` says it."""
    settings = {**read_toml(directory / "uv.toml"), **project.get("tool", {}).get("uv", {})}
    return not _INDEXES.isdisjoint(settings)


def _from_requirements(directory: Path, *, packaged: bool) -> Dependencies:
    lines = list(_requirement_lines(directory, REQUIREMENTS, set()))
    hashed = any("--hash" in text for _, text in lines)
    local = {place for _, text in lines for place in _local(text)} | {file for file, _ in lines}
    kind = LockKind.HASHED if hashed else LockKind.UNHASHED
    names = (text for _, text in lines if not text.startswith("-"))
    return Dependencies(
        kind,
        REQUIREMENTS,
        tuple(sorted(local - {REQUIREMENTS})),
        packaged,
        _brings_command(map(_wheel_name, names)),
        any(re.match(r"-i\b|--(extra-)?index-url\b", text) for _, text in lines),
        _brings_redis(text for _, text in lines),
    )


def _requirement_lines(directory: Path, file: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield ``(file, logical line)`` of a requirements file and of those that it includes."""
    if file in seen:
        return
    seen.add(file)
    try:
        text = (directory / file).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise DeployError(f"{file} cannot be read: {error}.") from None
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if included := re.match(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", bare):
            if "://" not in included[1]:
                beside = str(PurePosixPath(file).parent / included[1])
                yield from _requirement_lines(directory, _inside(beside, file), seen)
        elif bare:
            yield file, bare


def _local(line: str) -> Iterator[str]:
    """Yield the files and folders of the project that a requirement names."""
    option = re.match(r"(?:-f|--find-links|-e|--editable)[\s=]*(\S+)", line)
    word = option[1] if option else line.split(maxsplit=1)[0]
    word = word.partition("@")[2].strip() or word if " @ " not in line else line.partition(" @ ")[2].split()[0]
    word = re.sub(r"^file:(//)?", "", re.sub(r"\[[^]]*\]$", "", word))
    is_path = option or word.startswith((".", "/")) or "/" in word or word.endswith((".whl", ".tar.gz"))
    if is_path and "://" not in word and not word.startswith("git+"):
        yield _inside(word, REQUIREMENTS)


def _inside(place: str, file: str) -> str:
    path = PurePosixPath(place)
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    if path.is_absolute() or ".." in parts:
        raise DeployError(
            f"{file} refers to {place}, which is outside the project: an image is built from the project's folder "
            f"alone. Copy it into the project (a wheel into wheels/, for instance) and refer to the copy."
        )
    if not re.fullmatch(r"[\w.+@/-]*", "/".join(parts)):
        raise DeployError(
            f"{file} refers to {place}: rename it so that the path has letters, digits and . _ - + @ only."
        )
    return str(PurePosixPath(*parts))


def _wheel_name(requirement: str) -> str:
    """Return a requirement by name, also where it is written as the path of a wheel."""
    file = PurePosixPath(requirement.split(maxsplit=1)[0]).name
    return file.partition("-")[0].replace("_", "-") if file.endswith(".whl") else requirement


def _brings_command(requirements: Iterable[str]) -> bool:
    found = (_NAME.match(requirement) for requirement in requirements)
    return any(name[0].lower().replace("_", "-") in _COMMAND for name in found if name)


def _brings_redis(requirements: Iterable[str]) -> bool:
    return any(_REDIS.match(requirement) for requirement in requirements)
