"""Watching the sources of an application under development.

Every folder of the project that can hold sources is watched by itself, not the tree as a whole: a
virtual environment or a data folder with 100 000 files costs nothing then. Only what a person edits
counts, so that a file the application writes reloads nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

from fluxlit.errors import SettingsError
from fluxlit.settings import Settings, resolve
from fluxlit_cli import output

if TYPE_CHECKING:
    from fluxlit.runtime import Runtime

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
        self.restart_wanted = False

    async def watch(self, runtime: Runtime) -> None:
        """Watch until cancelled; return when the process has to start anew."""
        root = runtime.resolved.project_root
        settings = runtime.settings
        async for changed in changes(root, lambda: scripts(runtime)):
            if any(is_settings_file(path) for path in changed):
                found = self._resolved(runtime)
                if found is not None and (found != settings or any(map(_belongs_to_streamlit, changed))):
                    output.note(f"{names(changed, root)} changed: restarting with the new settings")
                    self.restart_wanted = True
                    return
            sources = frozenset(path for path in changed if not is_settings_file(path))
            if sources:
                await _reload(runtime, sources)

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
        done = await runtime.reload(changed)
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


async def changes(root: Path, find_scripts: Callable[[], frozenset[Path]]) -> AsyncIterator[frozenset[Path]]:
    """Yield the sources that changed, together those that were saved together.

    Args:
        root: the project.
        find_scripts: tells which scripts count too; asked anew for each change.
    """
    root = root.resolve()
    while True:
        folders = frozenset(source_folders(root)) | {script.parent for script in find_scripts()}
        async for batch in awatch(*folders, recursive=False, debounce=400, step=50, watch_filter=None):
            touched = frozenset(Path(name) for _, name in batch)
            fresh = frozenset(path for path in touched if is_new_folder(path, folders))
            # What was saved into a new folder before it was watched would go unnoticed.
            touched |= {path for folder in fresh for path in folder.rglob("*")}
            known = find_scripts()
            if found := frozenset(path for path in touched if is_source(path, root, known)):
                yield found
            if fresh or touched & folders or not {script.parent for script in known} <= folders:
                break  # the set of folders has changed: watch the new one


def source_folders(root: Path) -> Iterator[Path]:
    """Yield the project's folder and all below it that can hold sources."""
    yield root
    for entry in os.scandir(root):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False) and may_hold_sources(path):
            yield from source_folders(path)


def may_hold_sources(folder: Path) -> bool:
    """Leave out caches, environments, build results and hidden folders, but not Streamlit's own."""
    name = folder.name
    if name == _STREAMLIT:
        return True
    generated = name in _NOT_SOURCES or name.startswith(".") or name.endswith(".egg-info")
    return not generated and not (folder / "pyvenv.cfg").is_file()


def is_new_folder(path: Path, watched: Collection[Path]) -> bool:
    """Say whether a path is a folder that should be watched and is not."""
    return path.is_dir() and path not in watched and may_hold_sources(path)


def is_source(path: Path, root: Path, scripts: Collection[Path]) -> bool:
    """Say whether a person edits this file to change the application."""
    if path in scripts:
        return True
    if not path.is_relative_to(root) or not all(may_hold_sources(each) for each in _folders(path, root)):
        return False
    return path.suffix == ".py" or is_settings_file(path)


def is_settings_file(path: Path) -> bool:
    """Say whether a file holds settings, FluxLit's or Streamlit's."""
    return path.name in _SETTINGS_FILES or _belongs_to_streamlit(path)


def _belongs_to_streamlit(path: Path) -> bool:
    return path.parent.name == _STREAMLIT and path.suffix == ".toml"


def _folders(path: Path, root: Path) -> Iterator[Path]:
    """Yield the folders between the project and a file in it."""
    for folder in path.parents:
        if folder == root:
            return
        yield folder
