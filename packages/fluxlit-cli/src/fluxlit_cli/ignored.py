"""What Git ignores in a project: build results, caches, data; none of it is what a person edits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pathspec import GitIgnoreSpec

_FILE = ".gitignore"


@dataclass(frozen=True)
class Ignored:
    """The rules of a folder and of those above it (gitignore(5)).

    Attributes:
        rules: folder and what its file says, the deepest last.
    """

    rules: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    @classmethod
    def of(cls, folder: Path) -> Ignored:
        """The rules of a folder, with those of its repository; without one, of the folder alone."""
        above = [folder, *folder.parents]
        top = next((index for index, each in enumerate(above) if (each / ".git").exists()), 0)
        found = cls()
        for each in reversed(above[: top + 1]):
            found = found.below(each)
        return found

    def below(self, folder: Path) -> Ignored:
        """The rules with those of one folder more."""
        try:
            spec = _read(folder / _FILE, (folder / _FILE).stat().st_mtime_ns)
        except (OSError, ValueError):
            return self
        return Ignored((*self.rules, (folder, spec)))

    def holds(self, path: Path, *, is_folder: bool) -> bool:
        """Whether Git ignores a file or folder; the deepest file that mentions it decides."""
        for folder, spec in reversed(self.rules):
            name = path.relative_to(folder).as_posix() + ("/" if is_folder else "")
            verdict = spec.check_file(name).include
            if verdict is not None:
                return verdict
        return False


@lru_cache(maxsize=256)
def _read(path: Path, changed_at: int) -> GitIgnoreSpec:  # noqa: ARG001  (a changed file is another one)
    return GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines())
