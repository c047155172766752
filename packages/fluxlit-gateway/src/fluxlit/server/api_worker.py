"""The worker that runs the API: FastAPI on a UNIX socket.

Only the gateway can connect. It has checked the request and knows the user; `fluxlit.worker.scope_header` restores
both, so the API sees what it would see in the gateway's own process.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from fluxlit import sessions
from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.lifespan import Lifespan
from fluxlit._internal.responses import reply_text
from fluxlit.auth.user_headers import MOST
from fluxlit.observability.current_request import REQUEST_ID
from fluxlit.observability.metrics import Samples
from fluxlit.observability.request_id import HEADER
from fluxlit.observability.session_store_counters import STORE_COUNTERS
from fluxlit.pages.adoption import load_any
from fluxlit.server.adopted_api import take_over
from fluxlit.server.api import set_up_api, stop_lifespan, with_fault
from fluxlit.server.authentication import add_security
from fluxlit.server.http.protocol import HttpProtocol
from fluxlit.server.http.request_head import DEFAULT_LIMITS, HttpLimits
from fluxlit.server.uvicorn_server import server_config
from fluxlit.settings import Settings
from fluxlit.streamlit.log_routing import route_imported_logs
from fluxlit.supervisor.lifeline import Lifeline
from fluxlit.urls import PublicAddress
from fluxlit.worker.base import KEEP_ALIVE_S, WorkerProgram, work
from fluxlit.worker.breakpoints import use_terminal
from fluxlit.worker.scope_header import HEALTH, PAGE_CALL, restored_scope
from fluxlit.worker.worker_spec import WorkerSpec

if TYPE_CHECKING:
    from fluxlit.pages.app_definition import AppDefinition

NEVER_S = 7 * 24 * 3600.0
"""Time limits are the gateway's: it knows the client."""

OWN_HEADERS = 128
OWN_HEADER_BYTES = 64 * 1024 + MOST
"""The headers of the gateway, beside those that a client may send."""


class ApiWorker(WorkerProgram):
    """One process of the API, from its specification to its end."""

    title = "API worker"
    advice = "Await in the route what takes long, or declare it with `def`."

    def __init__(self, spec: WorkerSpec, lifeline: Lifeline) -> None:
        super().__init__(spec, lifeline)
        self._application: AppDefinition
        self._lifespan: Lifespan

    @classmethod
    def request_id(cls) -> str:
        """The id of the request of this task."""
        return REQUEST_ID.get()

    def prepare(self) -> None:
        """Import the application."""
        assert self.spec.target is not None
        if self.spec.development:
            use_terminal(self.spec.terminal)
        self._application = app = cast("AppDefinition", load_any(self.spec.target).application)
        route_imported_logs()
        set_up_api(app, PublicAddress(self.settings))
        take_over(app.api, self.settings)
        add_security(app.api, self.spec.api_security, self.settings)
        self._lifespan = Lifespan(app.served_api)

    def configuration(self) -> uvicorn.Config:
        """How the API is served: as in the gateway's own process."""
        settings = self.settings
        protocol = partial(HttpProtocol, limits=http_limits(settings))
        config = server_config(
            Endpoint(self._traced(self._application.served_api), self._lifespan),
            protocol,
            access_log=False,
            uds=self.spec.socket,
            ws_max_size=settings.gateway_ws_max_client_message_bytes,
            ws_ping_interval=None,  # the gateway pings
            ws_per_message_deflate=settings.gateway_ws_compression,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=self.graceful_s(),
        )
        config.load()  # libraries look for the server and its application in the lifespan
        return config

    def _traced(self, api: Application) -> Application:
        if not self.settings.enable_tracing:
            return api
        from fluxlit.observability import tracing  # noqa: PLC0415  # needs a library of the extra "telemetry"

        return tracing.HOPS["api"](api, lambda _: True)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the session store and the lifespan of the API."""
        async with sessions.opened(self.settings):
            await self._lifespan.start()
            try:
                yield
            finally:
                await stop_lifespan(self._lifespan, self.settings.api_shutdown_timeout_s)

    def measured(self, worker: str) -> Samples:
        """Event loop and session store."""
        samples = self.lag.read(worker)
        samples.update(STORE_COUNTERS.read())
        return samples

    async def drain(self) -> None:
        """Have libraries such as sse-starlette end their streams."""
        self.server.handle_exit(signal.SIGTERM, None)

    async def reload(self) -> tuple[bool, str]:
        """Never asked: a successor loads changed code."""
        raise NotImplementedError


class Endpoint:
    """The API behind the gateway's socket.

    Args:
        api: serves what is relayed.
        lifespan: its state goes into every scope.

    Attributes:
        app: the API, for libraries that look for the served application (NiceGUI).
    """

    def __init__(self, api: Application, lifespan: Lifespan) -> None:
        self.app = api
        self._lifespan = lifespan

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one HTTP request or WebSocket."""
        seen = restored_scope(scope)
        if seen is None:
            healthy = scope["path"] == HEALTH
            return reply_text(scope, send, 200 if healthy else 404, "ok" if healthy else "Not found.")
        request_id = next((value for name, value in seen["headers"] if name == HEADER), b"")
        REQUEST_ID.set(request_id.decode("ascii", "replace"))  # the server runs each request in a context of its own
        if self._lifespan.state:
            seen["state"] = {**seen.get("state", {}), **self._lifespan.state}
        if PAGE_CALL in seen:
            return with_fault(lambda send: self.app(seen, receive, send), send)
        return self.app(seen, receive, send)


def http_limits(settings: Settings) -> HttpLimits:
    """What the gateway may send: what a client may, and its own headers."""
    return HttpLimits(
        head=settings.gateway_max_request_head_bytes + OWN_HEADER_BYTES,
        headers=DEFAULT_LIMITS.headers + OWN_HEADERS,
        send=NEVER_S,
        head_time=NEVER_S,
        body_time=NEVER_S,
        body_rate=0,
    )


def main() -> int:
    """Run one worker; returns the exit code."""
    try:
        lifeline = Lifeline.adopt()
    except OSError:
        print("fluxlit.server.api_worker is started by the gateway. Run `fluxlit run` instead.", file=sys.stderr)  # noqa: T201
        return 2
    return work(lifeline, ApiWorker)


if __name__ == "__main__":
    sys.exit(main())
