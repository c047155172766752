"""Watching the sources of an application under development.

Every folder of the project that can hold sources is watched by itself, not the tree as a whole: a
virtual environment or a data folder with 100 000 files costs nothing then. Only what a person edits
counts, and nothing that Git ignores, so that a file the application writes reloads nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

from fluxlit.errors import SettingsError
from fluxlit.settings import Settings, resolve, resolve_target
from fluxlit_cli import output
from fluxlit_cli.ignored import Ignored

if TYPE_CHECKING:
    from fluxlit.server.runtime import Runtime

_SETTINGS_FILES = frozenset({"fluxlit.toml", "pyproject.toml", ".env"})
_STREAMLIT = ".streamlit"
_NOT_SOURCES = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"})


class Watcher:
    """Reloads an application when its sources change.

    Args:
        flags: the settings given on the command line, which outlast every reload.

    Attributes:
        restart_wanted: the settings have changed, so the process has to start anew.
    """

    def __init__(self, flags: Mapping[str, object]) -> None:
        self._flags = flags
        self._started = time.time()
        self.restart_wanted = False

    async def watch(self, runtime: Runtime) -> None:
        """Watch until cancelled; return when the process has to start anew."""
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
        """Wait until something changes, of an application that could not be started."""
        root = resolve_target(flags=self._flags).project_root

        async def first_change() -> frozenset[Path]:
            return await anext(changes(root, frozenset, self._started))

        output.note(f"{names(asyncio.run(first_change()), root)} changed: starting again")
        self.restart_wanted = True

    def _resolved(self, runtime: Runtime) -> Settings | None:
        try:
            return resolve(flags=self._flags, arguments=runtime.application.setting_arguments).settings
        except SettingsError as error:
            output.error(f"{error}\nThe old settings stay in force.")
            return None


async def _reload(runtime: Runtime, changed: frozenset[Path]) -> None:
    """Reload and say how it went; whatever the user's code raises, the old version keeps serving."""
    started = time.monotonic()
    where = names(changed, runtime.resolved.project_root)
    try:
        done = await runtime.reloader.reload(changed)
    except Exception as error:  # noqa: BLE001  (the user's code may raise anything)
        output.error(f"{where} changed, but cannot be used: {describe(error)}\nThe old version keeps serving.")
        return
    output.note(f"{where} changed: reloaded {done or 'nothing'} ({time.monotonic() - started:.2f} s)")


def scripts(runtime: Runtime) -> frozenset[Path]:
    """Return the scripts that the application shows, wherever they are."""
    application = runtime.application
    found = [application.ui_script, *(record.script for record in application.pages)]
    return frozenset(script.resolve() for script in found if script is not None)


def describe(error: Exception) -> str:
    """Put an error of the user's code into one message; a syntax error tells its place."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}: " if error.filename else ""
        return f"{place}{error.msg}"
    return output.sentence(error).partition("\nThis was not expected")[0]


def names(paths: Iterable[Path], root: Path) -> str:
    """Name a few files, as seen from the project."""
    shown = sorted(os.path.relpath(path, root.resolve()) for path in paths)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


async def changes(
    root: Path, find_scripts: Callable[[], frozenset[Path]], since: float
) -> AsyncIterator[frozenset[Path]]:
    """Yield the sources that changed, together those that were saved together.

    What the system reports is only taken as a hint to look: the answer comes from comparing the sources with
    what they were. So nothing is missed while the watching starts, and a report without a change is no change.

    Args:
        root: the project.
        find_scripts: tells which scripts count too; asked anew each time.
        since: time, in seconds since the epoch, from which a change counts although it was made before the call.
    """
    root = root.resolve()
    known = {path: mark for path, mark in sources(root, find_scripts()).items() if mark[0] <= since * 1e9}
    while True:
        folders = watched_folders(root, find_scripts())
        look = True
        hints = awatch(*folders, recursive=False, debounce=400, step=50, rust_timeout=500, yield_on_timeout=True)
        async for hint in hints:
            if hint or look:  # the first time comes without a hint, when the watching has begun
                look = False
                now = sources(root, find_scripts())
                changed = frozenset(path for path, _ in known.items() ^ now.items())
                known = now
                if changed:
                    yield changed
                if watched_folders(root, find_scripts()) != folders:
                    break


def sources(root: Path, scripts: Collection[Path]) -> dict[Path, tuple[int, int]]:
    """Return all files that a person edits to change the application, each with its time of change and its size."""
    found: dict[Path, tuple[int, int]] = {}
    for folder, ignored in _source_folders(root, Ignored.of(root)):
        for path, mark in _files(folder):
            edited = path.suffix == ".py" and not ignored.holds(path, is_folder=False)
            if edited or is_settings_file(path):
                found[path] = mark
    for folder in {script.parent for script in scripts if script.parent.is_dir()}:
        found |= {path: mark for path, mark in _files(folder) if path in scripts}
    return found


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # an editor's file that lived for a moment
            if entry.is_file():
                state = entry.stat()
                yield Path(entry.path), (state.st_mtime_ns, state.st_size)


def watched_folders(root: Path, scripts: Collection[Path]) -> frozenset[Path]:
    """Return the folders of the project that can hold sources, and those of the scripts."""
    return frozenset(source_folders(root)) | {script.parent for script in scripts if script.parent.is_dir()}


def source_folders(root: Path) -> Iterator[Path]:
    """Yield a folder and all below it that can hold sources."""
    return (folder for folder, _ in _source_folders(root, Ignored.of(root)))


def _source_folders(folder: Path, ignored: Ignored) -> Iterator[tuple[Path, Ignored]]:
    yield folder, ignored
    for entry in os.scandir(folder):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False) and may_hold_sources(path, ignored):
            yield from _source_folders(path, ignored.below(path))


def may_hold_sources(folder: Path, ignored: Ignored) -> bool:
    """Leave out caches, environments, build results, hidden folders and what Git ignores, but not Streamlit's own."""
    name = folder.name
    if name == _STREAMLIT:
        return True
    generated = name in _NOT_SOURCES or name.startswith(".") or name.endswith(".egg-info")
    return not generated and not (folder / "pyvenv.cfg").is_file() and not ignored.holds(folder, is_folder=True)


def is_settings_file(path: Path) -> bool:
    """Say whether a file holds settings, FluxLit's or Streamlit's."""
    return path.name in _SETTINGS_FILES or _belongs_to_streamlit(path)


def _belongs_to_streamlit(path: Path) -> bool:
    return path.parent.name == _STREAMLIT and path.suffix == ".toml"
