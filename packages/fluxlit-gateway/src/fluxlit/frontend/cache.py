"""Cache of compressed variants of files on disk.

There are two folders for each version of Streamlit. One is in the Python environment: `fluxlit assets` fills it when
an image is built, and it goes wherever the environment goes. The other is in the cache of the user; there the gateway
keeps what it makes itself. What others may write is no cache of ours: they would choose what browsers run.

A browser keeps these files for a year, so a damaged one must never leave the house. Each begins with the SHA-256
of the rest; what does not fit is as good as absent, and is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

DIGEST = hashlib.sha256().digest_size
UNFINISHED = "unfinished-"
UNFINISHED_S = 3600.0


class Cache:
    """Finished bytes by name.

    Args:
        folders: where to look, the first that has a name wins.
        writable: where to put what is new; `None` for nowhere.
    """

    def __init__(self, folders: Sequence[Path], writable: Path | None) -> None:
        self.folders = tuple(folders)
        self.writable = writable

    @classmethod
    def of(cls, version: str) -> Cache:
        """The cache of this process for a version of Streamlit."""
        shared, own = environment_folder(version), own_folder(version)
        return cls([folder for folder in (shared, own) if folder is not None and trusted(folder)], own)

    @classmethod
    def to_fill(cls, version: str) -> Cache | None:
        """The cache for variants that are made ahead of time.

        The folder of the environment, else of the user; `None` if neither can be written.

        Only what is in the one folder counts as there: that is what an image is built with.
        """
        folder = environment_folder(version)
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        found = folder if trusted(folder) and os.access(folder, os.W_OK) else own_folder(version)
        return cls([found], found) if found else None

    def get(self, name: str) -> bytes | None:
        """The bytes under a name; `None` if there are none, or damaged ones."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                found = (folder / name).read_bytes()
                if hashlib.sha256(found[DIGEST:]).digest() == found[:DIGEST]:
                    return found[DIGEST:]
        return None

    def put(self, name: str, body: bytes) -> None:
        """Keep bytes under a name, atomically, if there is a writable folder.

        Raises:
            OSError: it cannot be written.
        """
        if self.writable is None:
            return
        handle, unfinished = tempfile.mkstemp(dir=self.writable, prefix=UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(hashlib.sha256(body).digest() + body)
            Path(unfinished).chmod(0o644)
            Path(unfinished).replace(self.writable / name)
        except OSError:
            with contextlib.suppress(OSError):
                Path(unfinished).unlink()
            raise

    def tidy(self) -> None:
        """Remove what processes that were killed have left unfinished."""
        if self.writable is None:
            return
        for file in self.writable.glob(f"{UNFINISHED}*"):
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime > UNFINISHED_S:
                    file.unlink()


def environment_folder(version: str) -> Path:
    """The folder in the Python environment; it need not exist."""
    return Path(sys.prefix) / "share" / "fluxlit" / f"streamlit-{version}"


def own_folder(version: str) -> Path | None:
    """A folder of this user's; `None` where nothing can be written."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "fluxlit" / f"streamlit-{version}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # A user without a home.
        return None
    return folder if trusted(folder) and os.access(folder, os.W_OK) else None


def trusted(folder: Path) -> bool:
    """Whether only this user, or the superuser, may have written there."""
    try:
        found = folder.stat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (found.st_uid in (0, os.getuid()) and not found.st_mode & 0o022)
