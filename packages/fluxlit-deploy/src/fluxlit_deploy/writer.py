"""The only module that writes files: all or none."""

from __future__ import annotations

import contextlib
import difflib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.file import File

Status = Literal["new", "same", "differs"]


@dataclass(frozen=True)
class Change:
    """What writing one file would do.

    Attributes:
        file: the file.
        path: where it goes.
        status: nothing is there, the same is there, or something else is.
        before: text that is there; `None` where there is none, or where it is not UTF-8.
    """

    file: File
    path: Path
    status: Status
    before: str | None

    def diff(self) -> str:
        """Show the change as a unified diff; empty when there is none."""
        name = str(self.file.path)
        if self.status == "differs" and self.before is None:
            return f"Binary file {name} would be replaced\n"
        old = (self.before or "").splitlines(keepends=True)
        lines = difflib.unified_diff(
            old,
            self.file.text.splitlines(keepends=True),
            "/dev/null" if self.status == "new" else f"a/{name}",
            f"b/{name}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def plan(files: Iterable[File], output: Path) -> tuple[Change, ...]:
    """Compare files with what is there.

    Raises:
        DeployError: something is in the way that cannot be replaced.
    """
    return tuple(_change(file, output) for file in files)


def write(changes: Sequence[Change], *, force: bool) -> None:
    """Write every file that is not there yet or, with `force`, not the same.

    Each file appears with its whole content at once; when one cannot be written, those before it are put back.

    Raises:
        DeployError: a file is there already, or the disk refuses. Nothing has changed then.
    """
    taken = [str(change.file.path) for change in changes if change.status == "differs"]
    if taken and not force:
        raise DeployError(
            f"{', '.join(taken)} {'is' if len(taken) == 1 else 'are'} there already and would change. Nothing was "
            f"written. --diff shows what would change, --force replaces, --output writes elsewhere."
        )
    wanted = [change for change in changes if change.status != "same"]
    try:
        _replace_all(wanted)
    except OSError as error:
        raise DeployError(
            f"{error.filename2 or error.filename} cannot be written: {error.strerror}. Nothing has changed."
        ) from None


def _change(file: File, output: Path) -> Change:
    path = output / file.path
    for folder in path.parents:
        if folder.exists() and not folder.is_dir():
            raise DeployError(f"{folder} is a file, but a folder is needed there. Nothing was written.")
    if path.is_dir():
        raise DeployError(f"{path} is a folder, but a file of that name is to be written. Nothing was written.")
    try:
        found = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise DeployError(f"{path} cannot be read: {error.strerror}. Nothing was written.") from None
    if found is None:
        return Change(file, path, "new", None)
    same = found == file.text.encode() and path.stat().st_mode & 0o111 == file.mode & 0o111
    try:
        return Change(file, path, "same" if same else "differs", found.decode())
    except UnicodeDecodeError:
        return Change(file, path, "differs", None)


def _replace_all(changes: Sequence[Change]) -> None:
    with contextlib.ExitStack() as undo:
        staged = [(_stage(change, undo), change.path) for change in changes]
        for temporary, path in staged:
            undo.callback(_restore, path, _content(path))
            temporary.replace(path)
        undo.pop_all()


def _stage(change: Change, undo: contextlib.ExitStack) -> Path:
    """Write the new file beside the old one, for an atomic rename."""
    for folder in reversed([each for each in change.path.parents if not each.exists()]):
        folder.mkdir()
        undo.callback(folder.rmdir)
    handle, name = tempfile.mkstemp(prefix=f".{change.path.name}.", dir=change.path.parent)
    temporary = Path(name)
    undo.callback(temporary.unlink, missing_ok=True)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
        stream.write(change.file.text)
    temporary.chmod(change.file.mode)
    return temporary


def _content(path: Path) -> tuple[bytes, int] | None:
    return (path.read_bytes(), path.stat().st_mode) if path.exists() else None


def _restore(path: Path, content: tuple[bytes, int] | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content[0])
        path.chmod(content[1])
