"""`File`: one generated file, not written yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class File:
    """One generated file.

    Attributes:
        path: where it belongs, relative to the output directory.
        text: what is in it.
        mode: permissions, for a file that is run 0o755.
    """

    path: PurePosixPath
    text: str
    mode: int = 0o644

    def __post_init__(self) -> None:
        if self.path.is_absolute() or ".." in self.path.parts or not self.path.name:
            raise ValueError(f"{self.path} does not stay inside the output directory")
