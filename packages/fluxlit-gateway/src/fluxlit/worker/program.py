"""One worker process, from its specification to its end.

It reads its `WorkerSpec` from the line channel, sets Streamlit up, imports the user's application once before it serves
(so that the first visitors, however many, never meet a half-imported module), and serves Streamlit's ASGI application
under uvicorn on a UNIX socket. A failure on that way is reported over the channel in one message that a person can act
on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from fluxlit import client, sessions, users
from fluxlit._internal.descriptors import watched
from fluxlit.errors import FluxLitError, TargetError
from fluxlit.observability.event_loop_lag import LoopLag
from fluxlit.settings import Settings
from fluxlit.streamlit import live_sessions
from fluxlit.streamlit.application import running_runtime
from fluxlit.streamlit.features import check_streamlit
from fluxlit.streamlit.log_routing import route_logs
from fluxlit.streamlit.message_limits import limit_messages
from fluxlit.streamlit.messages import send_sooner
from fluxlit.streamlit.options import get_option
from fluxlit.streamlit.script_run import surround_runs
from fluxlit.streamlit.themes import keep_themes
from fluxlit.streamlit.tracebacks import hide_own_frames
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
from fluxlit.worker.breakpoints import use_terminal
from fluxlit.worker.counters import Runs, worker_readings
from fluxlit.worker.garbage_collection import GarbageCollector
from fluxlit.worker.log_records import ChannelHandler
from fluxlit.worker.page_reload import reload_pages, report_fault
from fluxlit.worker.resume import Resumption
from fluxlit.worker.session_expired_banner import with_session_expired_banner
from fluxlit.worker.streamlit_options import configure_streamlit
from fluxlit.worker.upload_limits import UploadLimits
from fluxlit.worker.visitors import Visitors
from fluxlit.worker.worker_spec import WorkerSpec

logger = logging.getLogger("fluxlit.worker")

IMPORTED_BEFORE = (
    "The gateway has imported the module without this error, and each worker imports it as well: code at its top level "
    "runs in all of them. Move what may run only once, such as a server or a scheduler, into the API's lifespan."
)

KEEP_ALIVE_S = 75
"""How long an idle connection of the gateway is kept; far above the time after which the gateway closes it itself."""

_RUNTIME_END_S = 1.0
_DRAIN_LOOK_S = 0.02


def work(lifeline: Lifeline) -> int:
    """Run a worker for the gateway; return the exit code."""
    line = lifeline.read_line()
    if not line:
        return 1  # the gateway is gone
    spec = WorkerSpec.from_json(line)
    configure_logging(spec.effective_settings(), lifeline.send_line)
    try:
        worker = Worker(spec, lifeline)
        worker.prepare()
        worker.serve()
    except FluxLitError as error:
        report_failure(lifeline, str(error), error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the outermost boundary of this process)
        what = "".join(traceback.format_exception_only(error)).strip()
        report_failure(lifeline, f"The Streamlit worker could not start: {what}", error)
    else:
        return 0
    return 1


def report_failure(lifeline: Lifeline, message: str, error: BaseException) -> None:
    """Send the gateway the reason why this worker ends."""
    trace = "".join(traceback.format_exception(error))
    lifeline.send_line(json.dumps({"type": "failed", "message": message, "traceback": trace}))


def configure_logging(settings: Settings, send_line: Callable[[str], None]) -> None:
    """Send the records of this process to the gateway.

    Those of FluxLit, Streamlit and uvicorn always; others as long as the application configures no logging of its own,
    for which the root logger has no handler. See `fluxlit.observability.logs.configuration`.
    """
    level = settings.log_level.upper()
    channel = ChannelHandler(send_line)
    logging.getLogger().setLevel(level)
    logging.lastResort = channel
    for ours in ("fluxlit", "streamlit", "uvicorn"):
        logging.getLogger(ours).addHandler(channel)
        logging.getLogger(ours).propagate = False
    # Uvicorn's lines about each start and connection would be the gateway's own a second time.
    for chatty in ("asyncio", "httpx", "httpcore", "uvicorn", "uvicorn.error", "websockets", "watchdog"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))


class Worker:
    """One Streamlit process, from its specification to its end."""

    def __init__(self, spec: WorkerSpec, lifeline: Lifeline) -> None:
        self._spec = spec
        self._settings = spec.effective_settings()
        self._lifeline = lifeline
        self._collector: GarbageCollector | None = None
        self._copying: Resumption = None
        self._reloading = asyncio.Lock()
        self._visitors = Visitors(self._settings.root_path)
        self._uploads = UploadLimits(self._settings.root_path, self._visitors.sender)
        self._runs = Runs()
        self._pulse = LoopLag()

    def prepare(self) -> None:
        """Everything that may fail, before anything listens.

        Raises:
            FluxLitError: options, script or target are wrong.
        """
        spec = self._spec
        sys.path[:] = list(dict.fromkeys([*spec.sys_path, *sys.path]))
        main_script(spec)
        check_streamlit(
            login=spec.login,
            development=spec.development,
            embedded=False,
            restore=resume.wanted(self._settings),
        )
        route_logs()
        configure_streamlit(spec)
        keep_themes()
        send_sooner()
        if spec.development:
            hide_own_frames()
            use_terminal(spec.terminal)
        sessions.configure(self._settings)
        users.configure(self._visitors.provider(self._settings))
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
                show(load_app_context(spec.target, self._settings, self._visitors.user))
            except TargetError as error:
                if error.__cause__ is None:
                    raise
                raise TargetError(spec.target, f"{error} {IMPORTED_BEFORE}") from error.__cause__

    def _call_headers(self) -> Callable[[], dict[str, str]]:
        visitor = self._visitors.call_headers
        if not self._settings.enable_tracing:
            return visitor
        traced = tracing().call_headers
        return lambda: {**visitor(), **traced()}

    def serve(self) -> None:
        """Serve until SIGTERM."""
        reserve_socket(self._spec.socket)
        config = uvicorn.Config(
            self._application(),
            uds=self._spec.socket,
            http="httptools",
            **websocket_options(development=self._spec.development),
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # done by `forwarded`, which knows that the peer is the gateway
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=self._graceful_s(),
        )
        server = _Server(config, self._started)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(self._run(server))

    def _graceful_s(self) -> int:
        # The supervisor's SIGKILL comes at the end of the setting; Streamlit's own shutdown needs the rest.
        return max(1, int(self._settings.uvicorn_graceful_shutdown_timeout_s) - 2)

    def _application(self) -> Any:
        self._streamlit = build_streamlit(self._spec)
        watched = ActivityMiddleware(self._streamlit, self._touch)
        self._copying = resume.set_up(self._settings)
        inner = self._copying.look_first(watched) if self._copying else watched
        inner = self._uploads.around(inner)
        if self._spec.login:
            inner = with_session_expired_banner(self._visitors.watched(inner))
        return forwarded(inner, self._settings)

    def _touch(self) -> None:
        if self._collector is not None:
            self._collector.touch()

    async def _run(self, server: _Server) -> None:
        self._loop = asyncio.get_running_loop()
        async with watched("A Streamlit worker"), self._pulse.beating():
            await server.serve()
        with contextlib.suppress(TimeoutError):  # a script that does not stop is ended with the process
            await asyncio.wait_for(asyncio.shield(self._runtime.stopped), _RUNTIME_END_S)
        if self._copying is not None:
            await self._copying.close()
        if self._collecting is not None:
            self._collecting.cancel()

    def _started(self) -> None:
        runtime = running_runtime()
        assert runtime is not None
        self._runtime = runtime
        self._collecting: asyncio.Task[None] | None = None
        if not get_option("runner.postScriptGC"):
            self._collector = GarbageCollector()
            self._collecting = asyncio.create_task(self._collector.run())
        self._uploads.attach(self._runtime)
        limit_messages(self._runtime, development=self._spec.development)
        if self._copying is not None:
            self._copying.attach(self._runtime)
        live_sessions.report_sessions(self._runtime, self._report_session)
        surround_runs(self._runs.measured)
        if self._spec.script is not None:
            surround_runs(report_hidden_page(self._settings.api_mount_path))
        if self._settings.enable_tracing:
            surround_runs(tracing().run_span)
        if self._spec.login:
            self._visitors.attach(self._runtime)
        self._lifeline.watch(self._heard)
        self._lifeline.send_line(json.dumps({"type": "ready"}))

    def _heard(self, line: str) -> None:
        """A line from the gateway, in the lifeline's thread."""
        message = json.loads(line)
        if message["type"] == "measure":
            self._loop.call_soon_threadsafe(self._measure, message["worker"])
            return
        answers = {"reload": self._reload, "drain": self._drain}
        asyncio.run_coroutine_threadsafe(answers[message["type"]](), self._loop)

    def _report_session(self, event: str, session: str) -> None:
        self._lifeline.send_line(json.dumps({"type": "session", "event": event, "id": session}))

    def _measure(self, worker: str) -> None:
        readings = worker_readings(worker, self._runs, self._pulse.delays)
        self._lifeline.send_line(json.dumps({"type": "measured", "readings": readings.to_json()}))

    async def _drain(self) -> None:
        while live_sessions.running_scripts(self._runtime):  # noqa: ASYNC110  (Streamlit has no event for it)
            await asyncio.sleep(_DRAIN_LOOK_S)
        self._lifeline.send_line(json.dumps({"type": "drained"}))

    async def _reload(self) -> None:
        async with self._reloading:
            try:
                detail, ok = await asyncio.to_thread(reload_pages, self._spec), True
            except FluxLitError as error:
                detail, ok = str(error), False
                if self._spec.script is None:
                    report_fault(detail)
            pages = live_sessions.rerun_sessions(self._runtime)
            detail = f"{detail}; {pages} open page{'' if pages == 1 else 's'} rerun" if ok else detail
        self._lifeline.send_line(json.dumps({"type": "reloaded", "ok": ok, "detail": detail}))


class _Server(uvicorn.Server):
    """Uvicorn with a callback at start and exit code 0 after SIGTERM.

    Uvicorn raises the signal again after its shutdown. A supervisor would then take an orderly end for a kill.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def tracing() -> Any:
    """The module of traces; its library is there if they are switched on."""
    from fluxlit.observability import tracing as module  # noqa: PLC0415

    return module


def websocket_options(*, development: bool = False) -> dict[str, Any]:
    """How uvicorn serves WebSockets for Streamlit; needs its configuration.

    No pings during development: a breakpoint answers none.
    """
    ping_s = None if development else 30.0
    return {
        "ws": "websockets-sansio",
        "ws_max_size": get_option("server.maxMessageSize") * 1_000_000,
        "ws_per_message_deflate": False,
        "ws_ping_interval": ping_s,
        "ws_ping_timeout": ping_s,
    }


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


def reserve_socket(path: str) -> None:
    """Create the socket's file for its owner alone.

    Uvicorn binds again and keeps the mode of the file that it finds.
    """
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as placeholder:
        before = os.umask(0o177)
        try:
            placeholder.bind(path)
        finally:
            os.umask(before)
