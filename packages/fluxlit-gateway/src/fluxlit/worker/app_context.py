"""The Streamlit application of this process, and the run of its script.

Streamlit keeps one Runtime per process, so this module keeps one `AppContext`. The entry script reads it at every run,
which is what makes a reload take effect at the next rerun.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send
from fluxlit.auth.contract import User
from fluxlit.errors import WorkerError
from fluxlit.observability.logs.bare_mode import BARE_MODE
from fluxlit.pages import PageRegistry, build_navigation
from fluxlit.settings import Settings
from fluxlit.settings.target import load
from fluxlit.streamlit import application
from fluxlit.streamlit.options import get_option
from fluxlit.streamlit.script_run import is_requested, page_paths
from fluxlit.worker.early_probes import EarlyProbes
from fluxlit.worker.worker_spec import WorkerSpec

if TYPE_CHECKING:
    from streamlit.starlette import App

logger = logging.getLogger("fluxlit.ui")

ENTRY_SCRIPT = Path(__file__).parent / "entry" / "fluxlit_entry.py"


@dataclass
class AppContext:
    """What the entry script shows.

    Attributes:
        app: the FluxLit object.
        pages: its pages.
        settings: the effective settings.
        fault: why the last reload failed, shown above the pages that still serve; empty when it did not.
        visitor: gives the user of the run that calls it.
        main: what ``sys.modules["__main__"]`` is to be again, where Streamlit runs in a process that is not its own.
    """

    app: object
    pages: PageRegistry
    settings: Settings
    fault: str = ""
    visitor: Callable[[], User | None] = lambda: None
    main: ModuleType | None = None

    @property
    def protected(self) -> bool:
        """The application has a login."""
        return bool(getattr(self.app, "authenticators", ()))


_current: AppContext | None = None


def show(context: AppContext) -> None:
    """Make `context` the one that the entry script shows from its next run on."""
    global _current  # noqa: PLW0603  (one per process, as Streamlit's Runtime is)
    _current = context


def current() -> AppContext:
    """The context of this process."""
    if _current is None:
        raise WorkerError("This Streamlit process has no FluxLit application. Start it with `fluxlit run`.")
    return _current


def load_app_context(target: str, settings: Settings, visitor: Callable[[], User | None] = lambda: None) -> AppContext:
    """Import the FluxLit object of `target`; `visitor` as in `AppContext`.

    Raises:
        TargetError: it cannot be imported; the cause is the user's own exception.
        FluxLitError: what the import of the user's module raised of ours, a `PageError` for instance.
    """
    with BARE_MODE.importing():
        app: Any = load(target)
    return AppContext(app, app.pages, settings, visitor=visitor)


def run_entry() -> None:
    """Run the entry script: the navigation and the requested page."""
    import streamlit as st  # noqa: PLC0415

    context = current()
    if context.main is not None:
        # The entry script defines nothing that code could look for in its `__main__`.
        sys.modules["__main__"] = context.main
    if context.fault:
        st.error(
            "**The last change could not be loaded; this is still the code from before.**",
            icon=":material/sync_problem:",
        )
        st.code(context.fault, language=None, wrap_lines=True)
    if not len(context.pages):
        st.info('This application has no pages yet. Add one with `@app.page("/")`.')
        return
    pages = build_navigation(
        context.pages,
        context.app,
        settings=context.settings,
        user=context.visitor(),
        protected=context.protected,
        is_asked_for=is_requested,
    )
    st.navigation(pages).run()


def main_script(spec: WorkerSpec) -> Path:
    """The script that Streamlit runs.

    Raises:
        WorkerError: the user's script does not exist.
    """
    if spec.script is None:
        return ENTRY_SCRIPT
    script = Path(spec.script)
    if not script.is_file():
        raise WorkerError(f"The Streamlit script {script} does not exist. Correct FluxLit(ui=...).")
    return script


def build_streamlit(spec: WorkerSpec) -> App:
    """Streamlit's ASGI application, once its options are loaded."""
    base = get_option("server.baseUrlPath")
    routes: list[Any] = []
    if spec.script is None and get_option("server.enableStaticServing"):
        routes = application.static_routes(spec.anchor, base)
    mount = f"/{base.strip('/')}" if base else ""
    return application.build(main_script(spec), routes, partial(EarlyProbes, base=mount))


def imitate_streamlit_run(script: str, arguments: tuple[str, ...], undo: ExitStack | None = None) -> None:
    """Set import path and arguments of a script as ``streamlit run`` does."""
    folder, argv = str(Path(script).parent), sys.argv
    sys.path.insert(0, folder)
    sys.argv = [script, *arguments]
    if undo is not None:
        undo.callback(setattr, sys, "argv", argv)
        undo.callback(sys.path.remove, folder)


def report_hidden_page(path: str) -> Callable[[], AbstractContextManager[None]]:
    """What surrounds the runs of a script: logs a page that is hidden.

    Only a run of the script shows which pages it has.

    Args:
        path: where the API is mounted.
    """
    reported = False

    @contextmanager
    def around() -> Iterator[None]:
        nonlocal reported
        yield
        if not reported and path in page_paths():
            reported = True
            logger.warning(
                "The page %s opens by a click only: at its address is the API. Give the page another url_path or file "
                "name, or the API another path with FLUXLIT_API_MOUNT_PATH.",
                path,
            )

    return around


class ActivityMiddleware:
    """Reports every WebSocket message to the garbage collector."""

    def __init__(self, app: Application, touch: Callable[[], None]) -> None:
        self._app = app
        self._touch = touch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return

        async def touching_receive() -> Message:
            message = await receive()
            self._touch()
            return message

        async def touching_send(message: Message) -> None:
            self._touch()
            await send(message)

        await self._app(scope, touching_receive, touching_send)
