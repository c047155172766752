"""The UI in the gateway's own process.

It takes least memory and time, and isolates nothing. Streamlit changes things that belong to the whole process. What
can be put back is put back: AnyIO's number of threads (the API's ``def`` endpoints use them), the loggers of uvicorn
and websockets, and ``sys.modules["__main__"]``, which Streamlit replaces at the begin of every run. What cannot: an
adopted script (``FluxLit(ui=...)``) must be ``__main__`` while it runs, and a page that computes slows the API down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import anyio.to_thread

from fluxlit import client, users
from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.responses import answer_unavailable
from fluxlit.backends.backend import NO_WORKERS, STOP_S, Readiness, UiFacts, WorkerStatus
from fluxlit.errors import WorkerError
from fluxlit.observability.current_request import REQUEST_FIELD, REQUEST_ID
from fluxlit.observability.metrics import Samples
from fluxlit.settings import Resolved
from fluxlit.settings.target import locate
from fluxlit.streamlit.application import release_runtime, running_runtime, show_server
from fluxlit.streamlit.features import check_streamlit
from fluxlit.streamlit.live_sessions import rerun_sessions
from fluxlit.streamlit.log_routing import route_logs
from fluxlit.streamlit.message_limits import limit_messages
from fluxlit.streamlit.messages import send_sooner
from fluxlit.streamlit.options import get_option
from fluxlit.streamlit.script_run import handshake, surround_runs
from fluxlit.streamlit.themes import keep_themes
from fluxlit.streamlit.tracebacks import hide_own_frames, name_requests
from fluxlit.worker import resume
from fluxlit.worker.app_context import (
    ActivityMiddleware,
    AppContext,
    build_streamlit,
    imitate_streamlit_run,
    main_script,
    report_hidden_page,
    show,
)
from fluxlit.worker.counters import Runs
from fluxlit.worker.garbage_collection import GarbageCollector
from fluxlit.worker.session_expired_banner import with_session_expired_banner
from fluxlit.worker.streamlit_options import configure_streamlit
from fluxlit.worker.upload_limits import UploadLimits
from fluxlit.worker.visitors import Visitors

_TAKEN_OVER = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "websockets")


class EmbeddedBackend:
    """Streamlit's ASGI application in this process.

    Args:
        facts: what the application knows.
        resolved: the effective settings.
    """

    def __init__(self, facts: UiFacts, resolved: Resolved) -> None:
        self._app_object: Any = facts.app
        self._target = locate(facts.app)
        self._main = sys.modules["__main__"]
        self._settings = resolved.settings
        self._spec = facts.spec(resolved, facts.run_directory / "unused.sock")
        self._visitors = Visitors(self._settings.root_path)
        self._runs = Runs()
        self._app: Any = None
        self._runtime: Any = None
        self._server: dict[str, Any] = {}
        self._life = AsyncExitStack()
        self._detail = "Streamlit has not been started"

    async def start(self) -> None:
        """Import Streamlit, set it up, and start its runtime.

        Raises:
            FluxLitError: options or script are wrong, or this process has had a Streamlit with other code.
        """
        main_script(self._spec)
        with _loggers_kept():
            check_streamlit(
                login=self._spec.login,
                development=self._spec.development,
                embedded=True,
                restore=resume.wanted(self._settings),
            )
            route_logs()
            configure_streamlit(self._spec)
        if running_runtime() is not None:
            raise WorkerError("This process runs a Streamlit application already, and there can be one only.")
        self._life.callback(keep_themes())
        self._life.callback(send_sooner())
        self._life.callback(name_requests())
        if self._spec.development:
            hide_own_frames()
        self._configure_client()
        self._prepare_script()
        collector = GarbageCollector(frozen=self._show_server)
        limiter = anyio.to_thread.current_default_thread_limiter()
        threads = limiter.total_tokens
        streamlit = build_streamlit(self._spec)
        await self._life.enter_async_context(streamlit.lifespan()(None))
        # Streamlit lowers it for its own static files, which the gateway serves.
        limiter.total_tokens = threads
        self._runtime = running_runtime()
        self._show_server()
        self._app = ActivityMiddleware(streamlit, collector.touch)
        copying = resume.set_up(self._settings)
        if copying is not None:
            copying.attach(self._runtime)
            self._app = copying.look_first(self._app)
            self._life.push_async_callback(copying.close)
        uploads = UploadLimits(self._settings.root_path, self._visitors.sender)
        uploads.attach(self._runtime)
        self._life.callback(limit_messages(self._runtime, development=self._spec.development))
        self._app = uploads.around(self._app)
        if self._spec.login:
            self._app = with_session_expired_banner(self._visitors.watched(self._app))
            self._visitors.attach(self._runtime)
        self._life.callback(surround_runs(_identified))
        self._life.callback(surround_runs(self._runs.measured))
        if self._spec.script is not None and self._spec.hidden_page:
            self._life.callback(surround_runs(report_hidden_page(self._spec.hidden_page)))
        if not get_option("runner.postScriptGC"):
            collecting = asyncio.create_task(collector.run())
            self._life.callback(collecting.cancel)
        self._detail = "Streamlit is ready"

    def _show_server(self) -> None:
        if self._runtime is not None:
            show_server(self._runtime, self._server)

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """See `Backend.stop`."""
        self._app, self._detail = None, "Streamlit is stopped"
        runtime, self._runtime = self._runtime, None
        await self._life.aclose()
        if runtime is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(runtime.stopped), timeout_s)
        release_runtime()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the scope to Streamlit."""
        if self._app is None:
            await answer_unavailable(scope, send)
            return
        # `server.baseUrlPath` has the mount; Starlette would take it off the path a second time.
        await self._app({**scope, "root_path": ""}, receive, send)

    def readiness(self) -> Readiness:
        """Ready from `start` to `stop`."""
        return Readiness(self._app is not None, self._detail)

    def workers(self) -> tuple[WorkerStatus, ...]:
        """There is none."""
        return ()

    async def measure(self) -> Samples:
        """See `Backend.measure`."""
        return self._runs.read("embedded")

    async def roll(self) -> str:
        """There is nothing to replace."""
        return NO_WORKERS

    async def reload(self, changed: frozenset[Path]) -> str:
        """See `Backend.reload`; the gateway has imported the new code."""
        del changed
        if self._spec.script is None and self._target is not None:
            self._app_object = self._target.load()
            self._show()
        pages = rerun_sessions(self._runtime)
        return f"{pages} open page{'' if pages == 1 else 's'} rerun"

    def _configure_client(self) -> None:
        spec = self._spec
        users.configure(self._visitors.provider(self._settings))
        self._life.callback(users.configure, None)
        if spec.api_base_url:
            api = client.InternalApi(spec.api_base_url, spec.api_socket, spec.api_headers, self._visitors.call_headers)
            client.configure(api)
            self._life.callback(client.configure, None)

    def _prepare_script(self) -> None:
        if self._spec.script is not None:
            undo = self._life.enter_context(ExitStack())
            imitate_streamlit_run(self._spec.script, self._spec.arguments, undo)
        else:
            self._show()

    def _show(self) -> None:
        pages = self._app_object.pages
        show(AppContext(self._app_object, pages, self._settings, visitor=self._visitors.user, main=self._main))


@contextlib.contextmanager
def _identified() -> Iterator[None]:
    """Give the log lines of a run the id of the session's first request."""
    before = REQUEST_ID.set(next(iter(handshake(REQUEST_FIELD)), ""))
    try:
        yield
    finally:
        REQUEST_ID.reset(before)


@contextlib.contextmanager
def _loggers_kept() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _TAKEN_OVER]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate
            logger.handlers[:] = handlers
