"""Running the runtime under uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from fluxlit import logging as fluxlit_logging
from fluxlit.asgi_server import AsgiServer, served
from fluxlit.errors import AddressInUseError, FluxLitError, SettingsError
from fluxlit.gateway.front import FrontLimits, HttpProtocol, WebSocketProtocol
from fluxlit.settings import Settings, resolve, resolve_target
from fluxlit.supervisor import Spawned
from fluxlit.target import DEFAULT_TARGET, load
from fluxlit.ui import head_start

if TYPE_CHECKING:
    from fluxlit.runtime import Runtime

logger = logging.getLogger("fluxlit")

# Above the 60 to 75 s for which nginx and most load balancers keep an idle connection: it must not be this side
# that closes one just as a request arrives.
KEEP_ALIVE_S = 80


@dataclass(frozen=True)
class Ready:
    """What there is to say once the application answers.

    Attributes:
        url: address of the UI.
        api_url: address of the API.
        docs_url: address of the API's documentation; empty if the API has none.
        seconds: how long the start took.
    """

    url: str
    api_url: str
    docs_url: str
    seconds: float


Watch = Callable[["Runtime"], Awaitable[None]]


def serve(
    target: str | None,
    flags: Mapping[str, object],
    *,
    on_ready: Callable[[Ready], None],
    watch: Watch | None = None,
) -> int:
    """Run an application until it is told to stop.

    Args:
        target: ``module:attribute``; `None` to find it in the other layers.
        flags: values of command-line options by name of the setting.
        on_ready: called once, when pages and API answer.
        watch: runs beside the server, with the runtime; its presence means development. When it
            returns, the server stops.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT.

    Raises:
        FluxLitError: the application cannot start.
    """
    started = time.monotonic()
    with began(flags) as early:
        from fluxlit.runtime import Runtime  # noqa: PLC0415  # with FastAPI, while the worker imports Streamlit

        wanted = resolve_target(flags={**flags, **({"target": target} if target else {})}).target or DEFAULT_TARGET
        runtime = Runtime(load(wanted), flags=flags, target=wanted, development=watch is not None, head_start=early)
        settings = runtime.settings
        fluxlit_logging.configure(settings)
        with bind(settings.gateway_host, settings.gateway_port, settings.gateway_listen_backlog) as listener:
            server = AsgiServer(configuration(runtime, settings))
            process = Process(runtime, server, listener, watch)
            report = ready(runtime, listener)
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                return runner.run(process.run(lambda: on_ready(report(time.monotonic() - started))))


@contextlib.contextmanager
def began(flags: Mapping[str, object]) -> Iterator[Spawned | None]:
    """A worker with a head start, if the settings that are known before the application want one."""
    early = None
    with contextlib.suppress(SettingsError):  # told again, with everything else, once the application is known
        if resolve(flags=flags).settings.streamlit_mode == "workers":
            early = head_start()
    try:
        yield early
    finally:
        if early is not None:
            early.discard()


class Process:
    """The life of a server process: start, serve, drain, stop; told by signals when to go on to the next."""

    def __init__(self, runtime: Runtime, server: AsgiServer, listener: socket.socket, watch: Watch | None) -> None:
        self._runtime = runtime
        self._server = server
        self._listener = listener
        self._watch = watch
        self._stopping = False
        self._starting: asyncio.Task[None] | None = None

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Run to the end. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            await self._start()
            if not self._stopping:
                await self._serve(on_ready)
        finally:
            await self._runtime.stop()
        return 0

    async def _start(self) -> None:
        self._starting = asyncio.create_task(self._runtime.start())
        try:
            await self._starting
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._starting = None

    async def _serve(self, on_ready: Callable[[], None]) -> None:
        serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        await served(self._server, serving)
        beside: asyncio.Task[None] | None = None
        if self._server.started and not self._stopping:
            on_ready()
            if self._watch is not None:
                beside = asyncio.create_task(run_watch(self._watch, self._runtime, self._stop))
        try:
            await serving
        finally:
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stopping and number == signal.SIGINT:
            self._server.force_exit = True
        self._runtime.drain()
        delay = self._runtime.settings.gateway_drain_delay_s
        if number == signal.SIGTERM and delay and self._server.started:
            asyncio.get_running_loop().call_later(delay, self._stop)
        else:
            self._stop()

    def _stop(self) -> None:
        self._stopping = True
        self._runtime.drain()
        self._server.should_exit = True
        if self._starting is not None:
            self._starting.cancel()


async def run_watch(watch: Watch, runtime: Runtime, stop: Callable[[], None]) -> None:
    """Run the watcher. When it returns it wants the process to end; when it breaks, the server goes on without it."""
    try:
        await watch(runtime)
    except Exception:
        logger.exception("Changed files are no longer noticed, because the watcher failed")
    else:
        stop()


def configuration(runtime: Runtime, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the runtime. The runtime runs its own lifespans, around the server's life."""
    return uvicorn.Config(
        runtime,
        lifespan="off",
        log_config=None,
        access_log=False,
        http=cast("type[HttpProtocol]", partial(HttpProtocol, limits=front_limits(settings))),
        ws=WebSocketProtocol,
        ws_max_size=settings.gateway_ws_max_client_message_bytes,
        ws_ping_interval=settings.gateway_ws_ping_interval_s,
        ws_ping_timeout=settings.gateway_ws_ping_timeout_s,
        ws_per_message_deflate=False,
        proxy_headers=False,
        server_header=False,
        backlog=settings.gateway_listen_backlog,
        timeout_keep_alive=KEEP_ALIVE_S,
        # uvicorn hands the number to asyncio as it is; a fraction works, whatever its annotation says.
        timeout_graceful_shutdown=settings.uvicorn_graceful_shutdown_timeout_s,  # type: ignore[arg-type]
    )


def front_limits(settings: Settings) -> FrontLimits:
    """What one connection may ask for, as the settings have it."""
    return FrontLimits(
        head=settings.gateway_max_request_head_bytes,
        target=settings.gateway_max_request_target_bytes,
        fields=settings.gateway_max_request_fields,
        send=settings.gateway_send_timeout_s,
    )


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """Take the public address before anything else is started.

    Raises:
        AddressInUseError: somebody listens there.
        FluxLitError: the address is none of this machine, or not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise FluxLitError(f"Host {host!r} cannot be listened on: {error.strerror or error}.") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Two sockets may be bound to a port that neither listens on; listening finds out. What connects from now on
        # waits in the backlog until uvicorn accepts.
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(host, port) from None
        raise FluxLitError(f"Address {host}:{port} cannot be listened on: {error.strerror or error}.") from None
    return listener


def ready(runtime: Runtime, listener: socket.socket) -> Callable[[float], Ready]:
    """Prepare the report of a start; the seconds are filled in at its end."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # only told apart here
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}{runtime.settings.root_path}"
    api = base + runtime.settings.api_mount_path
    docs = runtime.application.api.docs_url
    return lambda seconds: Ready(f"{base}/", api, api + docs if docs else "", seconds)
