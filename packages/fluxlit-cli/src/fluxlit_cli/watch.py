"""Watching the sources of an application under development.

Each folder that can hold sources is watched on its own, not the whole tree: a virtual environment or a data folder
with 100 000 files costs nothing. Files that Git ignores do not count, so that a file that the application writes
reloads nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec
from watchfiles import awatch

from fluxlit.errors import SettingsError
from fluxlit.settings import Settings, resolve
from fluxlit.settings.project_file import find_project_file
from fluxlit_cli import output

if TYPE_CHECKING:
    from fluxlit.server.runtime import Runtime

_SETTINGS_FILES = frozenset({"fluxlit.toml", "pyproject.toml", ".env"})
_STREAMLIT = ".streamlit"
_GITIGNORE = ".gitignore"
_NOT_SOURCES = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"})


class Watcher:
    """Reloads an application when its sources change.

    Args:
        flags: the settings given on the command line, which every reload keeps.

    Attributes:
        restart_wanted: the settings have changed, so the process has to restart.
    """

    def __init__(self, flags: Mapping[str, object]) -> None:
        self._flags = flags
        self._started = time.time()
        self.restart_wanted = False

    async def watch(self, runtime: Runtime) -> None:
        """Watch until cancelled; return when the process has to restart."""
        root = runtime.resolved.project_root
        settings = runtime.settings
        async for changed in changes(root, lambda: scripts(runtime), self._started):
            if any(is_settings_file(path) for path in changed):
                found = self._resolved(runtime)
                if found is not None and (found != settings or any(map(_belongs_to_streamlit, changed))):
                    output.note(f"{names(changed, root)} changed: restarting with the new settings")
                    self.restart_wanted = True
                    return
            code = frozenset(path for path in changed if not is_settings_file(path))
            if code:
                await _reload(runtime, code)

    def wait(self) -> None:
        """Wait for a change to an application that failed to start."""
        file = find_project_file(Path.cwd()).path  # that cannot be read, perhaps
        root = file.parent if file else Path.cwd()

        async def first_change() -> frozenset[Path]:
            return await anext(changes(root, frozenset, self._started))

        output.note(f"{names(asyncio.run(first_change()), root)} changed: starting again")
        self.restart_wanted = True

    def _resolved(self, runtime: Runtime) -> Settings | None:
        try:
            return resolve(flags=self._flags, arguments=runtime.application.setting_arguments).settings
        except SettingsError as error:
            output.error(f"{error}\nThe previous settings stay in use.")
            return None


async def _reload(runtime: Runtime, changed: frozenset[Path]) -> None:
    """Reload and report the result.

    The previous version keeps serving if the user's code raises an error.
    """
    started = time.monotonic()
    where = names(changed, runtime.resolved.project_root)
    try:
        done = await runtime.reloader.reload(changed)
    except Exception as error:  # noqa: BLE001  (the user's code may raise anything)
        output.error(f"{where} changed, but cannot be used: {describe(error)}\nThe previous version keeps serving.")
        return
    output.note(f"{where} changed: reloaded {done or 'nothing'} ({time.monotonic() - started:.2f} s)")


def scripts(runtime: Runtime) -> frozenset[Path]:
    """Return the scripts that the application runs, in any folder."""
    application = runtime.application
    found = [application.ui_script, *(record.script for record in application.pages)]
    return frozenset(script.resolve() for script in found if script is not None)


def describe(error: Exception) -> str:
    """Return the message for an error in the user's code."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}: " if error.filename else ""
        return f"{place}{error.msg}"
    return output.describe(error).partition("\nUnexpected error")[0]


def names(paths: Iterable[Path], root: Path) -> str:
    """Return the names of a few files, relative to the project."""
    shown = sorted(os.path.relpath(path, root.resolve()) for path in paths)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


async def changes(
    root: Path, find_scripts: Callable[[], frozenset[Path]], since: float
) -> AsyncIterator[frozenset[Path]]:
    """Yield the sources that changed; files saved together are one set.

    Events of the system only trigger a comparison of the sources with their previous state. So no change is missed
    while the watcher starts, and an event without a change is ignored.

    Args:
        root: the project.
        find_scripts: returns further scripts to watch; called each time.
        since: changes from this time on count, in seconds since the epoch, even if made before the call.
    """
    root = root.resolve()
    known = {path: mark for path, mark in sources(root, find_scripts()).items() if mark[0] <= since * 1e9}
    while True:
        folders = watched_folders(root, find_scripts())
        first = True
        hints = awatch(*folders, recursive=False, debounce=400, step=50, rust_timeout=500, yield_on_timeout=True)
        async for hint in hints:
            if hint or first:  # the first iteration has no hint: the watcher has started
                first = False
                now = sources(root, find_scripts())
                changed = frozenset(path for path, _ in known.items() ^ now.items())
                known = now
                if changed:
                    yield changed
                if watched_folders(root, find_scripts()) != folders:
                    break


def sources(root: Path, scripts: Collection[Path]) -> dict[Path, tuple[int, int]]:
    """Return the source and settings files with mtime and size."""
    found: dict[Path, tuple[int, int]] = {}
    for folder, ignored in _source_folders(root, GitIgnore.of(root)):
        for path, mark in _files(folder):
            edited = path.suffix == ".py" and not ignored.matches(path, is_folder=False)
            if edited or is_settings_file(path):
                found[path] = mark
    for folder in {script.parent for script in scripts if script.parent.is_dir()}:
        found |= {path: mark for path, mark in _files(folder) if path in scripts}
    return found


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # a temporary file of an editor
            if entry.is_file():
                state = entry.stat()
                yield Path(entry.path), (state.st_mtime_ns, state.st_size)


def watched_folders(root: Path, scripts: Collection[Path]) -> frozenset[Path]:
    """Return the folders that can hold sources, and those of scripts."""
    return frozenset(source_folders(root)) | {script.parent for script in scripts if script.parent.is_dir()}


def source_folders(root: Path) -> Iterator[Path]:
    """Yield a folder and its subfolders that can hold sources."""
    return (folder for folder, _ in _source_folders(root, GitIgnore.of(root)))


def _source_folders(folder: Path, ignored: GitIgnore) -> Iterator[tuple[Path, GitIgnore]]:
    yield folder, ignored
    for entry in os.scandir(folder):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False) and may_hold_sources(path, ignored):
            yield from _source_folders(path, ignored.below(path))


def may_hold_sources(folder: Path, ignored: GitIgnore) -> bool:
    """Whether a folder can hold sources or Streamlit's settings.

    Not caches, environments, build results, hidden or ignored folders.
    """
    name = folder.name
    if name == _STREAMLIT:
        return True
    generated = name in _NOT_SOURCES or name.startswith(".") or name.endswith(".egg-info")
    return not generated and not (folder / "pyvenv.cfg").is_file() and not ignored.matches(folder, is_folder=True)


def is_settings_file(path: Path) -> bool:
    """Whether a file holds settings, FluxLit's or Streamlit's."""
    return path.name in _SETTINGS_FILES or _belongs_to_streamlit(path)


def _belongs_to_streamlit(path: Path) -> bool:
    return path.parent.name == _STREAMLIT and path.suffix == ".toml"


@dataclass(frozen=True)
class GitIgnore:
    """The rules of a folder and of its parents (gitignore(5)).

    Attributes:
        rules: each folder with the rules of its file, the deepest last.
    """

    rules: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    @classmethod
    def of(cls, folder: Path) -> GitIgnore:
        """Return the rules of a folder and its parents in the repository."""
        above = [folder, *folder.parents]
        top = next((index for index, each in enumerate(above) if (each / ".git").exists()), 0)
        found = cls()
        for each in reversed(above[: top + 1]):
            found = found.below(each)
        return found

    def below(self, folder: Path) -> GitIgnore:
        """Return the rules with those of a subfolder."""
        try:
            spec = _read_rules(folder / _GITIGNORE, (folder / _GITIGNORE).stat().st_mtime_ns)
        except (OSError, ValueError):
            return self
        return GitIgnore((*self.rules, (folder, spec)))

    def matches(self, path: Path, *, is_folder: bool) -> bool:
        """Whether Git ignores a file or folder."""
        for folder, spec in reversed(self.rules):  # the deepest file with a matching rule decides
            name = path.relative_to(folder).as_posix() + ("/" if is_folder else "")
            verdict = spec.check_file(name).include
            if verdict is not None:
                return verdict
        return False


@lru_cache(maxsize=256)
def _read_rules(path: Path, changed_at: int) -> GitIgnoreSpec:  # noqa: ARG001  (part of the cache key)
    return GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines())
