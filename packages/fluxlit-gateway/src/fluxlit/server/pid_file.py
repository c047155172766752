"""The pid file, with a lock that proves it is current.

A number in a file proves nothing: the process may have been killed, and another may have got its number. So the
server holds a lock (flock(2)) on the file for as long as it lives; the system releases it at any end of the process.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fluxlit.errors import AlreadyRunningError, FluxLitError


class PidFile:
    """A pid file that this process holds.

    Args:
        path: the file; one that was left behind is replaced.

    Raises:
        AlreadyRunningError: its process is alive.
        FluxLitError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self._descriptor = self._take()
        except OSError as error:
            raise FluxLitError(f"The pid file {self.path} cannot be written: {error.strerror or error}.") from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode("ascii"))

    def _take(self) -> int:
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            if not lock(descriptor):
                os.close(descriptor)
                raise AlreadyRunningError(self.path, read(self.path))
            # Its former owner may have removed the file while we waited at its door.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    return descriptor
            os.close(descriptor)

    def release(self) -> None:
        """Remove the file and let go of it."""
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                self.path.unlink()
        os.close(self._descriptor)


def remove_stale(path: Path) -> bool:
    """Remove a pid file that no process holds; whether it is gone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if lock(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat()):
                path.unlink()
                return True
        finally:
            os.close(descriptor)
    return False


def lock(descriptor: int) -> bool:
    """Lock a file for this process alone; `False` if another has done so."""
    import fcntl  # noqa: PLC0415  (POSIX only)

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(path: Path) -> int | None:
    """The number in a pid file; `None` if there is none."""
    try:
        return int(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def holder(path: Path) -> int | None:
    """The process that holds a pid file; `None` for a stale file.

    Raises:
        OSError: there is no such file, or it must not be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return None if lock(descriptor) else read(path)
    finally:
        os.close(descriptor)
