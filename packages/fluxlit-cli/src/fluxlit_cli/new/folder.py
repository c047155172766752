"""Writing a project: all files or none, never over existing ones."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fluxlit_cli.new.errors import NewError

SECRET = 0o600
"""Permissions of files with secrets."""


@dataclass(frozen=True)
class Content:
    """The content of a file.

    Attributes:
        data: its bytes.
        optional: the project works without it, so an existing file may stay.
        mode: permissions; `None` for the default.
    """

    data: bytes
    optional: bool = False
    mode: int | None = None


@dataclass(frozen=True)
class Change:
    """A file of the project.

    Attributes:
        path: path relative to the project.
        place: full path.
        content: its content.
        kept: the file exists and stays.
    """

    path: PurePosixPath
    place: Path
    content: Content
    kept: bool


def plan(folder: Path, files: Mapping[PurePosixPath, Content], *, keep: bool) -> tuple[Change, ...]:
    """Compare the files of a project with its folder.

    Args:
        folder: the project's folder.
        files: its files.
        keep: existing optional files may stay.

    Raises:
        NewError: a file exists already.
    """
    taken = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    if refused := [str(path) for path in taken if not (keep and files[path].optional)]:
        exist = "exists" if len(refused) == 1 else "exist"
        raise NewError(f"{', '.join(sorted(refused))} {exist} in {folder} already. Nothing was written.")
    return tuple(Change(path, folder / path, files[path], path in taken) for path in sorted(files))


def write(changes: Iterable[Change]) -> None:
    """Write the files that do not exist yet.

    Raises:
        NewError: a file cannot be written. Those written before are removed again.
    """
    made: list[Path] = []
    try:
        for change in changes:
            if not change.kept:
                _make_folder(change.place.parent, made)
                _write_file(change, made)
    except OSError as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise NewError(f"{error.filename} cannot be created: {error.strerror or error}. Nothing was written.") from None


def _make_folder(folder: Path, made: list[Path]) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not folder.is_dir():
        _make_folder(folder.parent, made)
        folder.mkdir()
        made.append(folder)


def _write_file(change: Change, made: list[Path]) -> None:
    with change.place.open("xb") as file:
        made.append(change.place)
        if change.content.mode is not None:
            change.place.chmod(change.content.mode)
        file.write(change.content.data)
