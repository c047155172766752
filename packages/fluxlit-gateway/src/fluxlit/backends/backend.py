"""One interface to the UI, wherever it runs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.observability.metrics import Samples
from fluxlit.proxy import ProxyLimits
from fluxlit.settings import Resolved, Settings
from fluxlit.settings.describe import is_secret
from fluxlit.supervisor.spawn import SpawnedProcess
from fluxlit.worker.breakpoints import terminal
from fluxlit.worker.worker_spec import WorkerSpec

NO_WORKERS = "there are no workers to replace"

STOP_S = 5.0
"""Seconds that a UI without open requests may take to stop; Streamlit needs half a second."""


@dataclass(frozen=True)
class Readiness:
    """Whether the UI can serve now.

    Attributes:
        ready: it can.
        detail: one line for people; why not, when it cannot.
    """

    ready: bool
    detail: str


@dataclass(frozen=True)
class WorkerStatus:
    """How one worker is.

    Attributes:
        number: what logs call it.
        state: in a word or a few, such as ``ready``.
        ready: it answers its health probe.
        leaving: it finishes what it has, and a successor serves already.
        pid: its process; `None` while there is none.
        sessions: sessions that have a browser now.
        restarts: how often it was started again after it had ended.
        kind: ``ui`` or ``api``.
    """

    number: int
    state: str
    ready: bool
    leaving: bool
    pid: int | None
    sessions: int
    restarts: int
    kind: str = "ui"


def worker_label(kind: str, number: int) -> str:
    """A worker in metrics; those of the UI have only their number."""
    return str(number) if kind == "ui" else f"{kind}-{number}"


class Backend(Protocol):
    """The UI or the API as an ASGI application with a life of its own."""

    async def start(self) -> None:
        """Return when it can serve; an external UI may also be late.

        Raises:
            FluxLitError: it cannot be started; nothing of it is left.
        """

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop within `timeout_s` seconds, by force at the end."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve an HTTP request or a WebSocket."""

    def readiness(self) -> Readiness:
        """What is known now; performs no I/O."""

    def workers(self) -> Sequence[WorkerStatus]:
        """The state of each worker process, if there are any; no I/O."""

    async def measure(self) -> Samples:
        """Collect its samples; does not wait for a worker that hangs."""

    async def roll(self) -> str:
        """Replace the worker processes one by one, with no request failing.

        Returns:
            One line about what was done.

        Raises:
            WorkerError: a fresh worker cannot start; those that were not yet replaced go on.
        """

    async def reload(self, changed: frozenset[Path]) -> str:
        """Load changed pages and rerun open ones, in development.

        Returns:
            One line about what was done.

        Raises:
            FluxLitError: the new code cannot be loaded; its message is the user's error. The old code goes on.
        """


@dataclass(frozen=True)
class UiFacts:
    """What the application knows and the settings do not.

    Attributes:
        app: the FluxLit object of this process.
        target: ``module:attribute`` by which another process imports that object.
        script: the user's Streamlit script, for ``FluxLit(ui=...)``.
        hidden_page: path at which the API hides a page of the script; empty for none.
        run_directory: private folder (mode 0700) for sockets; its path must be short, a socket path ends at 107 bytes.
        api_socket: UNIX socket on which the API is served to workers.
        api_base_url: what the API is to see as its own address in calls of pages.
        api_headers: sent with every such call.
        public_host: host name under which browsers know the gateway, as far as is known.
        public_port: the port, likewise.
        arguments: ``sys.argv[1:]`` for the user's script.
        api_security: security schemes of the API's OpenAPI document, for API workers.
        login: the application has a login.
        development: whether this is ``fluxlit dev``.
        head_start: a worker process that was started before all this was known.
    """

    app: object
    target: str | None
    script: Path | None
    run_directory: Path
    api_socket: Path | None = None
    api_base_url: str = ""
    api_headers: Mapping[str, str] = field(default_factory=dict)
    hidden_page: str = ""
    public_host: str = "localhost"
    public_port: int = 8000
    arguments: tuple[str, ...] = ()
    api_security: Mapping[str, Any] = field(default_factory=dict)
    login: bool = False
    development: bool = False
    head_start: SpawnedProcess | None = None

    def spec(self, resolved: Resolved, socket: Path, cookie_secret: str = "") -> WorkerSpec:
        """The specification of one worker; `cookie_secret` as in `WorkerSpec`."""
        return WorkerSpec(
            socket=str(socket),
            project_root=str(resolved.project_root),
            settings=resolved.settings.model_dump(mode="json", exclude=withheld(resolved.settings)),
            target=self.target,
            script=str(self.script) if self.script else None,
            hidden_page=self.hidden_page,
            api_socket=str(self.api_socket) if self.api_socket else None,
            api_base_url=self.api_base_url,
            api_headers=dict(self.api_headers),
            public_host=self.public_host,
            public_port=self.public_port,
            sys_path=tuple(str(Path(entry).absolute()) for entry in sys.path),
            cookie_secret=cookie_secret,
            arguments=self.arguments,
            api_security=dict(self.api_security),
            login=self.login,
            development=self.development,
            terminal=terminal() if self.development else "",
        )


def withheld(settings: Settings) -> set[str]:
    """The settings that a worker does not need: secrets."""
    needed = {"secret_key"} if settings.session_store is not None else set()
    return {name for name in Settings.model_fields if is_secret(name)} - needed


def proxy_limits(settings: Settings) -> ProxyLimits:
    """The proxy's limits as the settings have them."""
    return ProxyLimits(
        connect=settings.gateway_upstream_connect_timeout_s,
        read=settings.gateway_upstream_read_timeout_s,
        body=settings.gateway_max_proxy_request_body_bytes,
        concurrent=settings.gateway_max_concurrent_upstream_http,
        ws_open=settings.gateway_ws_open_timeout_s,
        ws_ping=settings.gateway_ws_ping_interval_s,
        ws_pong=settings.gateway_ws_ping_timeout_s,
        ws_close=settings.gateway_ws_close_timeout_s,
        ws_message=settings.gateway_ws_max_message_bytes,
        ws_compression=settings.gateway_ws_compression,
    )


def health_path(settings: Settings) -> str:
    """Where Streamlit answers 200 when it can serve."""
    return f"{settings.root_path}/_stcore/health"
