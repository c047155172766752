"""What a Python file visibly needs of the files around it: modules that it imports, and files that it names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fluxlit_cli.new.errors import NewError

_NO_SOURCES = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "venv", "tests"})
_NAMED_AT_MOST = 200
"""Length of a text that may be the name of a file."""


class Needs:
    """Files below a folder that belong together, found by following imports and names of files.

    Args:
        base: the folder, where imports start.

    Attributes:
        base: the folder.
        found: the files, by their path below it.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.found: dict[PurePosixPath, Path] = {}

    def script(self, path: Path) -> None:
        """Take in a Streamlit script, with what Streamlit itself finds beside it.

        Raises:
            NewError: a file is not Python.
        """
        self._take(path)
        for beside in (*sorted((self.base / "pages").glob("*.py")), self.base / ".streamlit" / "config.toml"):
            if beside.is_file():
                self._take(beside)

    def module(self, name: str) -> None:
        """Take in a module by its dotted name; of a package, the whole package.

        Raises:
            NewError: a file is not Python.
        """
        top = name.partition(".")[0]
        package, file = self.base / top, self.base / f"{top}.py"
        if package.is_dir():
            for path in sorted(package.rglob("*")):
                if path.is_file() and is_source(path, self.base):
                    self._take(path)
        elif file.is_file():
            self._take(file)

    def _take(self, path: Path) -> None:
        key = PurePosixPath(path.relative_to(self.base).as_posix())
        if key in self.found:
            return
        self.found[key] = path
        if path.suffix == ".py":
            tree = _parse(path)
            for name in _imports(tree):
                self.module(name)
            for text in _texts(tree):
                self._take_named(text)

    def _take_named(self, text: str) -> None:
        path = self.base / text
        if path.is_file() and is_source(path.resolve(), self.base):
            self._take(path.resolve())


def is_source(path: Path, base: Path) -> bool:
    """Say whether a file or folder is part of a project: below its folder, not hidden, not installed, not made."""
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


def _texts(tree: ast.Module) -> Iterator[str]:
    """Yield texts that look like the name of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if text.isprintable() and "." in text and len(text) <= _NAMED_AT_MOST and not text.startswith("/"):
                yield text
