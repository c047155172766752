"""The files of the installed Streamlit's front end."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

import brotli

# Vite puts a hash of the content into the name: `index.DormvYxC.js`.
HASHED = re.compile(r"\.([A-Za-z0-9_-]{8})\.[a-z0-9]+\Z")
IMMUTABLE = b"public, max-age=31536000, immutable"
REVALIDATED = b"no-cache"
COMPRESSIBLE = frozenset({".css", ".html", ".js", ".json", ".svg"})
SHELL = "/index.html"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the front end.

    Attributes:
        path: its path below the public mount, such as ``/static/js/index.DormvYxC.js``.
        file: where it is.
        content_type: its media type.
        tag: stands for its content, in entity tags and in the names of variants. It does not depend on the time of
            the file: the layers of a container image keep no fractions of a second.
        cache_control: how long a browser may keep it.
        packed: its content, compressed by Brotli, if `file` is a name only.
    """

    path: str
    file: Path
    content_type: bytes
    tag: str
    cache_control: bytes
    packed: bytes = b""

    @classmethod
    def of(cls, path: str, file: Path) -> Asset:
        """Describe a file."""
        hashed = HASHED.search(file.name)
        name = hashed.group(1) if hashed else hashlib.sha256(file.read_bytes()).hexdigest()[:8]
        tag = f"{name}-{file.stat().st_size:x}"
        return cls(path, file, media_type(file), tag, IMMUTABLE if hashed else REVALIDATED)

    @property
    def compressible(self) -> bool:
        """It is text."""
        return self.file.suffix in COMPRESSIBLE

    @property
    def hashed(self) -> bool:
        """Its name stands for its content."""
        return self.cache_control == IMMUTABLE

    def read(self) -> bytes:
        """Its content.

        Raises:
            OSError: the file cannot be read.
        """
        return brotli.decompress(self.packed) if self.packed else self.file.read_bytes()


def media_type(file: Path) -> bytes:
    """The Content-Type of a file by its name."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return (f"{kind}; charset=utf-8" if kind in ("text/javascript", "text/css") else kind).encode()


class Files:
    """The files of one version of the front end.

    Args:
        folder: Streamlit's ``static`` folder.
        version: of Streamlit.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.version = version

    @classmethod
    def of_streamlit(cls) -> Files | None:
        """The front end of the installed Streamlit, which is not imported."""
        spec = importlib.util.find_spec("streamlit")
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(spec.submodule_search_locations[0]) / "static"
        return cls(folder, importlib.metadata.version("streamlit")) if folder.is_dir() else None

    def assets(self) -> dict[str, Asset]:
        """All files but the page itself, by their path."""
        found = {
            f"/{file.relative_to(self.folder).as_posix()}": file
            for file in sorted(self.folder.rglob("*"))
            if file.is_file()
        }
        return {path: Asset.of(path, file) for path, file in found.items() if path != SHELL}

    def newer(self, path: str) -> Asset | None:
        """A file that has been installed since `assets`, by its path."""
        file = self.folder / path[1:]
        return Asset.of(path, file) if file.is_file() else None

    @property
    def shell(self) -> Path:
        """The page that loads all the others."""
        return self.folder / SHELL[1:]
