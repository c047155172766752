"""The worker that runs Streamlit.

It sets Streamlit up, imports the user's application once before it serves (so that the first visitors, however many,
never meet a half-imported module), and serves Streamlit's ASGI application.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from fluxlit import client, sessions, users
from fluxlit._internal.unfinished_messages import UnfinishedMessages
from fluxlit.errors import FluxLitError, TargetError
from fluxlit.observability.current_request import REQUEST_FIELD
from fluxlit.observability.metrics import Samples
from fluxlit.settings import Settings
from fluxlit.streamlit import live_sessions
from fluxlit.streamlit.application import running_runtime, show_server
from fluxlit.streamlit.features import check_streamlit
from fluxlit.streamlit.log_routing import route_logs
from fluxlit.streamlit.message_limits import limit_messages
from fluxlit.streamlit.messages import send_sooner
from fluxlit.streamlit.options import get_option
from fluxlit.streamlit.script_run import handshake, surround_runs
from fluxlit.streamlit.themes import keep_themes
from fluxlit.streamlit.tracebacks import hide_own_frames, name_requests
from fluxlit.supervisor.lifeline import Lifeline
from fluxlit.worker import resume
from fluxlit.worker.app_context import (
    ActivityMiddleware,
    build_streamlit,
    imitate_streamlit_run,
    load_app_context,
    main_script,
    report_hidden_page,
    show,
)
from fluxlit.worker.base import KEEP_ALIVE_S, WorkerProgram
from fluxlit.worker.breakpoints import use_terminal
from fluxlit.worker.counters import Runs, worker_readings
from fluxlit.worker.garbage_collection import GarbageCollector
from fluxlit.worker.page_reload import reload_pages, report_fault
from fluxlit.worker.resume import Resumption
from fluxlit.worker.session_expired_banner import with_session_expired_banner
from fluxlit.worker.streamlit_options import configure_streamlit
from fluxlit.worker.upload_limits import UploadLimits
from fluxlit.worker.visitors import Visitors
from fluxlit.worker.websocket_protocol import websocket_protocol
from fluxlit.worker.worker_spec import WorkerSpec

IMPORTED_BEFORE = (
    "The gateway has imported the module without this error, and each worker imports it as well: code at its top level "
    "runs in all of them. Move what may run only once, such as a server or a scheduler, into the API's lifespan."
)

_RUNTIME_END_S = 1.0
_DRAIN_LOOK_S = 0.02


class Worker(WorkerProgram):
    """One Streamlit process, from its specification to its end."""

    title = "Streamlit worker"

    def __init__(self, spec: WorkerSpec, lifeline: Lifeline) -> None:
        super().__init__(spec, lifeline)
        self._collector: GarbageCollector | None = None
        self._copying: Resumption = None
        self._reloading = asyncio.Lock()
        self._visitors = Visitors(self.settings.root_path)
        self._uploads = UploadLimits(self.settings.root_path, self._visitors.sender)
        self._runs = Runs()

    @classmethod
    def request_id(cls) -> str:
        """The id of the request that opened the session of this run."""
        return next(iter(handshake(REQUEST_FIELD)), "")

    def prepare(self) -> None:
        """Set Streamlit up, and import the application."""
        spec = self.spec
        main_script(spec)
        check_streamlit(
            login=spec.login,
            development=spec.development,
            embedded=False,
            restore=resume.wanted(self.settings),
        )
        route_logs()
        configure_streamlit(spec)
        keep_themes()
        send_sooner()
        name_requests()
        if spec.development:
            hide_own_frames()
            use_terminal(spec.terminal)
        sessions.configure(self.settings)
        users.configure(self._visitors.provider(self.settings))
        if spec.api_base_url:
            api = client.InternalApi(
                spec.api_base_url,
                spec.api_socket,
                spec.api_headers,
                self._call_headers(),
                client.PATIENT_S if spec.development else client.TIMEOUT_S,
            )
            client.configure(api)
        if spec.script is not None:
            imitate_streamlit_run(spec.script, spec.arguments)
        elif spec.target is not None:
            try:
                show(load_app_context(spec.target, self.settings, self._visitors.user))
            except TargetError as error:
                if error.__cause__ is None:
                    raise
                raise TargetError(spec.target, f"{error}\n{IMPORTED_BEFORE}") from error.__cause__

    def _call_headers(self) -> Callable[[], dict[str, str]]:
        visitor = self._visitors.call_headers
        if not self.settings.enable_tracing:
            return visitor
        traced = tracing().call_headers
        return lambda: {**visitor(), **traced()}

    def configuration(self) -> uvicorn.Config:
        """How Streamlit is served."""
        largest = self.settings.gateway_ws_max_client_message_bytes
        return uvicorn.Config(
            self._application(),
            uds=self.spec.socket,
            http="httptools",
            # No pings: the gateway pings both ends. A ping of ours would pass to the browser behind all that it has
            # still to read, and a slow one would be taken for dead; and a breakpoint answers none.
            ws=websocket_protocol(UnfinishedMessages.of(largest)),
            ws_max_size=largest,  # here without compression
            ws_per_message_deflate=self.settings.gateway_ws_compression,
            ws_ping_interval=None,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # done by `forwarded`, which knows that the peer is the gateway
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=self.graceful_s(),
        )

    def _application(self) -> Any:
        self._streamlit = build_streamlit(self.spec)
        watched = ActivityMiddleware(self._streamlit, self._touch)
        self._copying = resume.set_up(self.settings)
        inner = self._copying.look_first(watched) if self._copying else watched
        inner = self._uploads.around(inner)
        if self.spec.login:
            inner = with_session_expired_banner(self._visitors.watched(inner))
        return forwarded(inner, self.settings)

    def _touch(self) -> None:
        if self._collector is not None:
            self._collector.touch()

    async def ended(self) -> None:
        """Stop what runs beside Streamlit."""
        with contextlib.suppress(TimeoutError):  # a script that does not stop is ended with the process
            await asyncio.wait_for(asyncio.shield(self._runtime.stopped), _RUNTIME_END_S)
        if self._copying is not None:
            await self._copying.close()
        if self._collecting is not None:
            self._collecting.cancel()

    def started(self) -> None:
        """Attach to Streamlit's runtime."""
        runtime = running_runtime()
        assert runtime is not None
        self._runtime = runtime
        self._collecting: asyncio.Task[None] | None = None
        showing = partial(show_server, runtime, {})
        if get_option("runner.postScriptGC"):
            gc.unfreeze()  # what the start has frozen is Streamlit's to collect
            showing()
        else:
            self._collector = GarbageCollector(frozen=showing)
            self._collecting = asyncio.create_task(self._collector.run())
        self._uploads.attach(self._runtime)
        limit_messages(self._runtime, development=self.spec.development)
        if self._copying is not None:
            self._copying.attach(self._runtime)
        live_sessions.report_sessions(self._runtime, self._report_session)
        surround_runs(self._runs.measured)
        if self.spec.script is not None and self.spec.hidden_page:
            surround_runs(report_hidden_page(self.spec.hidden_page))
        if self.settings.enable_tracing:
            surround_runs(tracing().run_span)
        if self.spec.login:
            self._visitors.attach(self._runtime)

    def _report_session(self, event: str, session: str) -> None:
        self.send({"type": "session", "event": event, "id": session})

    def measured(self, worker: str) -> Samples:
        """Runs, event loop and session store."""
        return worker_readings(worker, self._runs, self.lag)

    async def drain(self) -> None:
        """Return when no script runs; sessions with a copy leave one by one."""
        while self._busy_sessions():  # noqa: ASYNC110  (Streamlit has no event for it)
            await asyncio.sleep(_DRAIN_LOOK_S)

    def _busy_sessions(self) -> int:
        if self._copying is None or self._copying.down:
            return live_sessions.running_scripts(self._runtime)
        return self._copying.move_idle()

    async def reload(self) -> tuple[bool, str]:
        """Load changed pages, and rerun open ones."""
        async with self._reloading:
            try:
                detail, ok = await asyncio.to_thread(reload_pages, self.spec), True
            except FluxLitError as error:
                detail, ok = str(error), False
                if self.spec.script is None:
                    report_fault(detail)
            pages = live_sessions.rerun_sessions(self._runtime)
        return ok, f"{detail}; {pages} open page{'' if pages == 1 else 's'} rerun" if ok else detail


def tracing() -> Any:
    """The module of traces; its library is there if they are switched on."""
    from fluxlit.observability import tracing as module  # noqa: PLC0415

    return module


def forwarded(app: Any, settings: Settings) -> Any:
    """Let Streamlit see the browser's address, not the gateway's.

    The gateway has written X-Forwarded-For: the browser alone, or, where it trusts proxies, the whole chain. In a
    chain the browser is the last address that is not one of those proxies; the first could be made up.
    """
    trusted = ["127.0.0.1", "::1", *(settings.forwarded_allow_ips if settings.trust_proxy else ())]
    named = ProxyHeadersMiddleware(app, trusted_hosts=trusted)

    async def from_gateway(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            scope = {**scope, "client": ("127.0.0.1", 0)}  # a UNIX peer has no address, and only the gateway can be one
        await named(scope, receive, send)

    return from_gateway
