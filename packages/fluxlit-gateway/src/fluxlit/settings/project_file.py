"""The project file: `fluxlit.toml` or `pyproject.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_settings import TomlConfigSettingsSource

from fluxlit.errors import Problem
from fluxlit.settings.model import Settings
from fluxlit.settings.toml_lines import line_of

_OWN, _SHARED = "fluxlit.toml", "pyproject.toml"
_TABLE = ("tool", "fluxlit")
# Tables that belong to other distributions: `fluxlit build` reads and checks this one.
_OTHERS = frozenset({"build"})


@dataclass(frozen=True)
class ProjectFile:
    """The content of a project file.

    Attributes:
        path: the file, `None` when there is none.
        values: its keys and values, unchecked.
        others: tables in it that other distributions read.
        table: path of the table that holds them.
        problems: errors while reading it.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    table: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)

    def where(self, key: str, directory: Path) -> str:
        """Return ``file:line`` of a key, relative to a directory."""
        if self.path is None:
            return _OWN
        line = line_of(self.path.read_text("utf-8"), key, self.table)
        return located(self.path, directory, line)


def located(path: Path, directory: Path, line: int | None = None) -> str:
    """Return ``file:line`` with the path relative to a directory."""
    try:
        name = os.path.relpath(path, directory)
    except ValueError:  # on another Windows drive
        name = str(path)
    return name if line is None else f"{name}:{line}"


def find_project_file(directory: Path) -> ProjectFile:
    """Find and read the nearest project file in a directory or above it."""
    for folder in (directory, *directory.parents):
        own = folder / _OWN
        if own.is_file():
            return _read(own, (), directory)
        shared = folder / _SHARED
        if shared.is_file() and _concerns_us(shared):
            found = _read(shared, _TABLE, directory)
            if found.values or found.others or found.problems:
                return found
    return ProjectFile()


def _concerns_us(path: Path) -> bool:
    """Whether the file has our table."""
    # A search, not a parser: a broken file without our table must not be an error.
    try:
        return re.search(rb"tool\W+fluxlit|^fluxlit\b", path.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return False


def _read(path: Path, table: tuple[str, ...], directory: Path) -> ProjectFile:
    try:
        values: Any = TomlConfigSettingsSource(Settings, path).toml_data
    except (OSError, ValueError) as error:
        return ProjectFile(path, problems=(_unreadable(path, directory, error),))
    for key in table:
        values = values.get(key, {}) if isinstance(values, dict) else None
    if not isinstance(values, dict):
        name = ".".join(table)
        problem = Problem(name, f"[{name}] must be a table of settings", located(path, directory))
        return ProjectFile(path, problems=(problem,))
    others = {key: value for key, value in values.items() if key in _OTHERS}
    return ProjectFile(path, {key: value for key, value in values.items() if key not in others}, table, others=others)


def _unreadable(path: Path, directory: Path, error: OSError | ValueError) -> Problem:
    line: int | None = None
    if isinstance(error, UnicodeDecodeError):
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        message = "the file is not UTF-8 text; save it as UTF-8"
    elif isinstance(error, tomllib.TOMLDecodeError):
        text = str(error)
        if found := re.search(r" \(at line (\d+), column \d+\)", text):
            line = int(found[1])
            text = text.replace(found[0], "")
        else:
            line = len(path.read_text("utf-8").splitlines()) or 1
            text = text.removesuffix(" (at end of document)")
        message = f"this is not valid TOML: {text[:1].lower()}{text[1:]}"
    else:
        message = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
    return Problem(path.name, message, located(path, directory, line))
