"""The private directory in which one FluxLit process keeps its sockets."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fluxlit.errors import FluxLitError

PREFIX = "fluxlit-"
# sun_path holds 108 bytes on Linux and 104 on macOS (unix(7)); the longest name inside has 20.
MAX_PATH = 80


class RunDirectory:
    """A directory of mode 0700 that lives as long as the process.

    A process that is killed cannot clean up, so each directory names its owner, and the next process removes
    those of dead owners.
    """

    def __init__(self) -> None:
        base = base_directory()
        remove_orphans(base)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        (self.path / "pid").write_text(str(os.getpid()), encoding="ascii")

    def socket(self, name: str) -> str:
        """Where the socket with a name stands."""
        return str(self.path / f"{name}.sock")

    def remove(self) -> None:
        """Delete the directory and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)


@contextlib.contextmanager
def run_directory() -> Iterator[RunDirectory]:
    """A run directory for as long as something runs.

    Raises:
        FluxLitError: there is no place for one.
    """
    try:
        directory = RunDirectory()
    except OSError as error:
        raise FluxLitError(
            f"There is no place for the private sockets: {error.strerror or error}. FluxLit needs a directory that it "
            f"may write to; set TMPDIR to one, or in a container with a read-only root mount an empty one at /tmp."
        ) from None
    try:
        yield directory
    finally:
        directory.remove()


def base_directory() -> Path:
    """Where run directories stand."""
    base = tempfile.gettempdir()
    if len(base) + len(PREFIX) + 8 > MAX_PATH:
        base = "/tmp"  # noqa: S108  # sockets need a short path; mkdtemp makes it private
    return Path(base)


def remove_orphans(base: Path) -> None:
    """Delete the directories of this user's processes that are gone."""
    for path in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            if path.stat().st_uid == os.getuid() and not alive(int((path / "pid").read_text(encoding="ascii"))):
                shutil.rmtree(path, ignore_errors=True)


def alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
