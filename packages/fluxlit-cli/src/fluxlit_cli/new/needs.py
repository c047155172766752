"""The files that a Python file imports or names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fluxlit_cli.new.errors import NewError

_NO_SOURCES = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "venv", "tests"})
_MAX_NAME_LENGTH = 200
"""Longest string that may be a file name."""


class Needs:
    """Files below a folder, found by following imports and file names.

    Args:
        base: the folder of top-level imports.

    Attributes:
        base: the folder.
        found: the files, by their path below it.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.found: dict[PurePosixPath, Path] = {}

    def script(self, path: Path) -> None:
        """Add a Streamlit script, with its pages and settings.

        Raises:
            NewError: a file is not Python.
        """
        self._add(path)
        for beside in (*sorted((self.base / "pages").glob("*.py")), self.base / ".streamlit" / "config.toml"):
            if beside.is_file():
                self._add(beside)

    def module(self, name: str) -> None:
        """Add a module by its dotted name, or a whole package.

        Raises:
            NewError: a file is not Python.
        """
        top = name.partition(".")[0]
        package, file = self.base / top, self.base / f"{top}.py"
        if package.is_dir():
            for path in sorted(package.rglob("*")):
                if path.is_file() and is_source(path, self.base):
                    self._add(path)
        elif file.is_file():
            self._add(file)

    def _add(self, path: Path) -> None:
        key = PurePosixPath(path.relative_to(self.base).as_posix())
        if key in self.found:
            return
        self.found[key] = path
        if path.suffix == ".py":
            tree = _parse(path)
            for name in _imports(tree):
                self.module(name)
            for text in _file_names(tree):
                self._add_named(text)

    def _add_named(self, text: str) -> None:
        path = self.base / text
        if path.is_file() and is_source(path.resolve(), self.base):
            self._add(path.resolve())


def is_source(path: Path, base: Path) -> bool:
    """Whether a path is a source: not hidden, installed or generated."""
    if not path.is_relative_to(base):
        return False
    parts = path.relative_to(base).parts
    hidden = any(part.startswith(".") or part in _NO_SOURCES or part.endswith(".egg-info") for part in parts)
    return not hidden and not any((parent / "pyvenv.cfg").is_file() for parent in (path, *path.parents))


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise NewError(f"{path}:{error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise NewError(f"{path} cannot be read: {error}") from None


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _file_names(tree: ast.Module) -> Iterator[str]:
    """Yield the strings that look like file names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if text.isprintable() and "." in text and len(text) <= _MAX_NAME_LENGTH and not text.startswith("/"):
                yield text
