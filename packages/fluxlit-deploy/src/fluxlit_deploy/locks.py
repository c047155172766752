"""Lock files of other tools as requirements with hashes.

Their own programs are not needed in the image then, and the hashes are checked by one installer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from fluxlit_deploy.constraints import admits, requirement, source
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.text import read_text, read_toml

PUBLIC = "https://pypi.org/simple"


@dataclass(frozen=True)
class Choice:
    """What of a project is wanted.

    Attributes:
        extras: chosen extras.
        groups: chosen groups besides the main one.
        python: minor version of Python.
    """

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    python: str = "3.12"


def poetry_lines(directory: Path, choice: Choice) -> list[str]:
    """Return the requirements of a ``poetry.lock``.

    Raises:
        DeployError: it cannot be read.
    """
    packages = read_toml(directory / "poetry.lock").get("package", [])
    if not all("groups" in each for each in packages):
        packages = _reachable(packages, read_toml(directory / "pyproject.toml"), choice)
    wanted = {"main", *choice.groups}
    found = []
    for package in packages:
        if wanted.isdisjoint(package.get("groups", ["main"])):
            continue
        for marker in _markers(package.get("markers", ""), wanted):
            if admits(marker, choice.python, choice.extras):
                place = _poetry_source(package.get("source", {}))
                found.append(_line(package, place, _without_extra(marker), package.get("files", [])))
                break
    urls = {each["source"]["url"] for each in packages if each.get("source", {}).get("type") == "legacy"}
    return [*_indexes(urls), *sorted(found)]


def pdm_lines(directory: Path, choice: Choice) -> list[str]:
    """Return the requirements of a ``pdm.lock``.

    Raises:
        DeployError: it cannot be read, or does not say which package belongs to which group.
    """
    packages = read_toml(directory / "pdm.lock").get("package", [])
    if not all("groups" in each for each in packages):
        raise DeployError(
            "pdm.lock does not name the groups of its packages. Run pdm lock --strategy inherit_metadata, and commit."
        )
    wanted = {"default", *choice.extras, *choice.groups}
    chosen = [each for each in packages if not wanted.isdisjoint(each["groups"])]
    # A package with extras stands beside the same one without.
    plain = {each["name"]: each for each in chosen if not each.get("extras")}
    found = [_line(each, source(each), str(each.get("marker", "")), each.get("files", [])) for each in plain.values()]
    settings = read_toml(directory / "pyproject.toml").get("tool", {}).get("pdm", {})
    return [*_indexes(str(each.get("url")) for each in settings.get("source", [])), *sorted(found)]


def pipenv_lines(directory: Path, choice: Choice) -> list[str]:
    """Return the requirements of a ``Pipfile.lock``.

    Raises:
        DeployError: it cannot be read.
    """
    try:
        lock = json.loads(read_text(directory / "Pipfile.lock"))
    except ValueError as error:
        raise DeployError(f"Pipfile.lock cannot be read: {error}.") from None
    found = []
    for category in ("default", *choice.groups):
        for name, described in lock.get(category, {}).items():
            place = "." if described.get("path") in {".", "./"} else source(described)
            hashes = [{"hash": each} for each in described.get("hashes", [])]
            extras = f"[{','.join(described['extras'])}]" if described.get("extras") else ""
            version = str(described.get("version", "")).removeprefix("==")
            package = {"name": name + extras, "version": version}
            found.append(_line(package, place, str(described.get("markers", "")), hashes))
    sources = lock.get("_meta", {}).get("sources", [])
    return [*_indexes(str(each.get("url")) for each in sources), *sorted(set(found))]


def pylock_lines(directory: Path, choice: Choice) -> list[str]:
    """Return the requirements of a ``pylock.toml`` (PEP 751).

    Raises:
        DeployError: it cannot be read, or does not name the version of a package from an index.
    """
    lock = read_toml(directory / "pylock.toml")
    groups = {*lock.get("default-groups", []), *choice.groups}
    packages = [
        each
        for each in lock.get("packages", [])
        if admits(str(each.get("marker", "")), choice.python, choice.extras, groups)
    ]
    found = []
    for package in packages:
        place = _pylock_source(package)
        if not (place or package.get("version")):
            raise DeployError(f"pylock.toml does not name the version of {package.get('name')}. Lock again.")
        files = [*package.get("wheels", []), package.get("sdist", {}), package.get("archive", {})]
        hashes = [{"hash": f"{kind}:{value}"} for each in files for kind, value in each.get("hashes", {}).items()]
        found.append(_line(package, place, _without_extra(str(package.get("marker", ""))), hashes))
    return [*_indexes(str(each["index"]) for each in packages if each.get("index")), *sorted(found)]


def _pylock_source(package: Mapping[str, Any]) -> str:
    vcs = package.get("vcs")
    if vcs:
        return source({"git": vcs.get("url"), "revision": vcs.get("commit-id"), **_subdirectory(vcs)})
    return source(package.get("directory") or package.get("archive") or {})


def missing_names(directory: Path, file: str) -> list[str]:
    """Return the dependencies of a project that its lock file lacks.

    Those with conditions are left out: a lock may have no package for them.

    Args:
        directory: the project's folder.
        file: ``poetry.lock``, ``pdm.lock``, ``pylock.toml`` or ``Pipfile.lock``.

    Raises:
        DeployError: a file cannot be read.
    """
    project = read_toml(directory / "pyproject.toml")
    if file == "Pipfile.lock":
        table = read_toml(directory / "Pipfile").get("packages", {})
        locked = json.loads(read_text(directory / file)).get("default", {})
        texts: list[object] = []
    else:
        table = project.get("tool", {}).get("poetry", {}).get("dependencies", {}) if file == "poetry.lock" else {}
        found = read_toml(directory / file)
        locked = [each["name"] for each in found.get("package", found.get("packages", []))]
        texts = [each for each in project.get("project", {}).get("dependencies", []) if ";" not in str(each)]
    wanted = [*_names(texts), *(name for name, each in table.items() if name != "python" and not _is_conditional(each))]
    there = set(map(canonicalize_name, locked))
    return sorted(name for name in wanted if canonicalize_name(name) not in there)


def _is_conditional(described: object) -> bool:
    conditions = {"optional", "markers", "marker", "python", "platform", "sys_platform"}
    plain = isinstance(described, str) or (isinstance(described, Mapping) and conditions.isdisjoint(described))
    return not plain


def table_lines(table: Mapping[str, object], file: str) -> list[str]:
    """Return the requirements of a table of Poetry or Pipenv.

    Raises:
        DeployError: one is not understood.
    """
    names = [name for name, each in table.items() if name != "python" and not _is_optional(each)]
    return [requirement(name, table[name], file) for name in names]


def private_indexes(urls: Iterable[str]) -> list[str]:
    """Return those of some indexes that are not the public one."""
    return sorted({each.rstrip("/") for each in urls} - {PUBLIC, "https://pypi.python.org/simple", ""})


def _is_optional(described: object) -> bool:
    return isinstance(described, Mapping) and bool(described.get("optional"))


def _indexes(urls: Iterable[str]) -> list[str]:
    return [f"--extra-index-url {each}" for each in private_indexes(urls)]


def _line(package: Mapping[str, Any], place: str, marker: str, files: Iterable[Mapping[str, Any]]) -> str:
    name = str(package["name"])
    found = place if place.startswith(".") else f"{name} @ {place}" if place else f"{name}=={package['version']}"
    found += f" ; {marker}" if marker and not place.startswith(".") else ""
    has_hash = not place or place.endswith((".whl", ".tar.gz", ".zip"))
    hashes = sorted({str(each["hash"]) for each in files if each.get("hash")}) if has_hash else []
    return " \\\n    ".join([found, *(f"--hash={each}" for each in hashes)])


def _markers(markers: object, groups: set[str]) -> list[str]:
    if isinstance(markers, Mapping):
        return [str(marker) for group, marker in markers.items() if group in groups]
    return [str(markers)]


def _without_extra(marker: str) -> str:
    """Drop a marker about extras or groups, which were chosen here."""
    return "" if re.search("extra|dependency_groups", marker) else marker


def _poetry_source(found: Mapping[str, Any]) -> str:
    kind, url = found.get("type"), str(found.get("url", ""))
    if kind == "git":
        return source({"git": url, "revision": found.get("resolved_reference"), **_subdirectory(found)})
    if kind in {"directory", "file"}:
        return source({"path": url})
    return url if kind == "url" else ""


def _subdirectory(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"subdirectory": found["subdirectory"]} if found.get("subdirectory") else {}


def _reachable(packages: list[dict[str, Any]], project: Mapping[str, Any], choice: Choice) -> list[dict[str, Any]]:
    """Return the packages that the main group needs, for locks of Poetry 1."""
    by_name = {canonicalize_name(str(each["name"])): each for each in packages}
    poetry = project.get("tool", {}).get("poetry", {})
    tables = [poetry.get("dependencies", {})]
    tables += [poetry.get("group", {}).get(group, {}).get("dependencies", {}) for group in choice.groups]
    chosen = {name for extra in choice.extras for name in poetry.get("extras", {}).get(extra, [])}
    todo = [name for table in tables for name, each in table.items() if not _is_optional(each) or name in chosen]
    todo += list(_names(project.get("project", {}).get("dependencies", [])))
    found: dict[str, dict[str, Any]] = {}
    while todo:
        name = canonicalize_name(todo.pop())
        if name in by_name and name not in found:
            found[name] = by_name[name]
            needs = by_name[name].get("dependencies", {})
            todo += [each for each, how in needs.items() if _applies(how, choice)]
    return list(found.values())


def _applies(how: object, choice: Choice) -> bool:
    ways = how if isinstance(how, list) else [how]
    markers = (str(each.get("markers", "")) if isinstance(each, Mapping) else "" for each in ways)
    # A marker about extras is the other package's, and what nothing asks for is not in the lock.
    return any(admits(_without_extra(marker), choice.python, ()) for marker in markers)


def _names(requirements: Iterable[object]) -> Iterator[str]:
    for each in requirements:
        try:
            yield Requirement(str(each)).name
        except InvalidRequirement:
            continue
