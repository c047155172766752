"""Load changed pages into a running process, keeping every session (development only).

The user's modules are taken out of `sys.modules`, and the target is imported again. If that succeeds the new pages
are shown from the next run on; if not, the old modules are put back and go on serving. Only modules whose file lies
in the project are taken out: what is installed stays, so that a reload takes as long as the user's own code does.

A run that is under way keeps the modules that it has. One that begins during the import still shows the old pages.
"""

from __future__ import annotations

import importlib
import site
import sys
import sysconfig
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fluxlit.errors import FluxLitError
from fluxlit.ui.site import Site, current, load_site, show
from fluxlit.ui.spec import WorkerSpec

if TYPE_CHECKING:
    from streamlit.runtime import Runtime


def reload_pages(spec: WorkerSpec) -> str:
    """Import the user's code again; blocks while it does.

    Returns:
        One line about what was done.

    Raises:
        FluxLitError: the code cannot be loaded, or registers its pages wrongly. The old code goes on serving.
    """
    started = time.perf_counter()
    removed = remove_modules(Path(spec.project_root))
    if spec.script is not None or spec.target is None:
        # The script runs from its file at every rerun, and imports what it needs again.
        return f"reran {Path(spec.script or '').name} in {_ms(started)} ms"
    try:
        show(load_site(spec.target, spec.effective_settings()))
    except BaseException as error:
        restore_modules(Path(spec.project_root), removed)
        if isinstance(error, FluxLitError):
            raise
        raise FluxLitError(f"{type(error).__name__} while loading {spec.target}: {error}") from error
    return f"reloaded {len(removed)} modules, {len(current().pages)} pages in {_ms(started)} ms"


def rerun_sessions(runtime: Runtime) -> int:
    """Ask every open page to run again, with its session state. To be called on Streamlit's event loop.

    Returns:
        The number of sessions.
    """
    runtime._script_cache.clear()
    sessions = runtime._session_mgr.list_active_sessions()
    for info in sessions:
        info.session.request_rerun(info.session._client_state)
    return len(sessions)


def report_fault(text: str) -> None:
    """Show, above the pages that still serve, why the last reload failed."""
    site_now = current()
    show(Site(site_now.app, site_now.pages, site_now.settings, fault=text))


def remove_modules(root: Path) -> dict[str, ModuleType]:
    """Take the project's modules out of `sys.modules`, and return them."""
    removed = {name: module for name, module in list(sys.modules.items()) if _belongs(name, module, root)}
    for name in removed:
        sys.modules.pop(name, None)
    # Files that were written within the same second would otherwise be looked up in old directory listings.
    importlib.invalidate_caches()
    return removed


def restore_modules(root: Path, modules: dict[str, ModuleType]) -> None:
    """Undo `remove_modules`: nothing of a failed import stays."""
    remove_modules(root)
    sys.modules.update(modules)


def _belongs(name: str, module: ModuleType, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    if name == "__main__" or name.partition(".")[0] == "fluxlit" or not file:
        return False
    path = Path(file).absolute()
    return path.is_relative_to(root) and not any(path.is_relative_to(place) for place in _INSTALLED)


def _installed() -> tuple[Path, ...]:
    places = {sys.prefix, *site.getsitepackages(), site.getusersitepackages()}
    places |= {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(Path(place).absolute() for place in places if place)


_INSTALLED = _installed()


def _ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
