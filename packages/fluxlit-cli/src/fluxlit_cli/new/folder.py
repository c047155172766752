"""Writing a project into its folder: all of it or nothing, and never over what is there."""

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
    """What a file will hold.

    Attributes:
        data: its bytes.
        optional: the project works without it, so a file that is there already may stay.
        mode: permissions; `None` for the usual ones.
    """

    data: bytes
    optional: bool = False
    mode: int | None = None


@dataclass(frozen=True)
class Change:
    """One file of the project.

    Attributes:
        path: where it belongs, relative to the project.
        place: where it goes.
        content: what it will hold.
        kept: one is there already, and stays.
    """

    path: PurePosixPath
    place: Path
    content: Content
    kept: bool


def plan(folder: Path, files: Mapping[PurePosixPath, Content], *, keep: bool) -> tuple[Change, ...]:
    """Compare the project with what is in its folder.

    Args:
        folder: the project's folder.
        files: what will be in it.
        keep: optional files that are there may stay.

    Raises:
        NewError: a file is there already.
    """
    taken = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    if refused := [str(path) for path in taken if not (keep and files[path].optional)]:
        are = "is" if len(refused) == 1 else "are"
        raise NewError(f"{', '.join(sorted(refused))} {are} in {folder} already. Nothing was written.")
    return tuple(Change(path, folder / path, files[path], path in taken) for path in sorted(files))


def write(changes: Iterable[Change]) -> None:
    """Write what is not there yet.

    Raises:
        NewError: the disk refuses. What was written before is removed again.
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
