"""The packages, folders, indexes and repositories of a `uv.lock`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.requirements_file import inside
from fluxlit_deploy.text import read_toml

FILE = "uv.lock"

_FOLDERS = ("directory", "editable", "virtual")


@dataclass(frozen=True)
class UvLock:
    """A lock file of uv.

    Attributes:
        packages: every package of the lock, by name; of several versions the last one.
        root: name of the project, or of the chosen member of the workspace; empty if the lock has none.
    """

    packages: Mapping[str, Mapping[str, Any]]
    root: str

    def reached(self, extras: Iterable[str], groups: Iterable[str]) -> set[str]:
        """Return the names that the root needs, with chosen extras and groups."""
        if not self.root:
            return set(self.packages)
        found: set[str] = set()
        todo = [(self.root, tuple(extras))]
        done: set[tuple[str, tuple[str, ...]]] = set()
        for group in groups:
            todo += _targets(self.packages[self.root].get("dev-dependencies", {}).get(group, []))
        while todo:
            name, wanted = todo.pop()
            if (name, wanted) in done or name not in self.packages:
                continue
            done.add((name, wanted))
            found.add(name)
            package = self.packages[name]
            todo += _targets(package.get("dependencies", []))
            for extra in wanted:
                todo += _targets(package.get("optional-dependencies", {}).get(extra, []))
        return found

    def place_of(self, name: str) -> str:
        """Return what brings a package, as ``extras = ["web"]``."""
        package = self.packages.get(self.root, {})
        for table, key in (("optional-dependencies", "extras"), ("dev-dependencies", "groups")):
            for each in package.get(table, {}):
                chosen = {key: [each], "extras" if key == "groups" else "groups": []}
                if name in self.reached(**chosen):
                    return f'{key} = ["{each}"]'
        return ""

    def sources(self, names: Iterable[str]) -> list[tuple[str, str, str]]:
        """Return ``(name, kind, place)`` of the sources of some packages."""
        return [
            (name, kind, str(place))
            for name in sorted(names)
            for kind, place in self.packages[name].get("source", {}).items()
        ]

    def folders(self, names: Iterable[str]) -> dict[str, str]:
        """Return the packages that are folders of the project, with their places."""
        found = {name: place for name, kind, place in self.sources(names) if kind in _FOLDERS}
        return {name: inside(place, FILE) for name, place in found.items()}


def read_lock(directory: Path, package: str = "") -> UvLock:
    """Read the ``uv.lock`` of a folder.

    Args:
        directory: the folder.
        package: a member of the workspace; by default the project at its root.

    Raises:
        DeployError: it cannot be read, or has no such member.
    """
    packages = {str(each.get("name", "")): each for each in read_toml(directory / FILE).get("package", [])}
    own = [name for name, each in packages.items() if "." in map(str, each.get("source", {}).values())]
    if package and package not in packages:
        raise DeployError(f"uv.lock has no package {package}, which [build] of the project file names.")
    return UvLock(packages, package or (own[0] if own else ""))


def _targets(dependencies: Iterable[Mapping[str, Any]]) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(each["name"]), tuple(each.get("extra", ()))) for each in dependencies]
