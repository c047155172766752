"""The ASGI application of a runtime, as any ASGI server runs it."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.system_page import PAGE, Look
from fluxlit.errors import FluxLitError
from fluxlit.observability import logs
from fluxlit.server.api import Api
from fluxlit.server.lifecycle import Lifecycle
from fluxlit.server.multiworker import refuse_multiworker
from fluxlit.server.sigterm_delay import delay_sigterm
from fluxlit.server.uvicorn_above import set_up_uvicorn
from fluxlit.settings import Settings
from fluxlit.streamlit.log_routing import route_imported_logs


class AsgiApplication:
    """Serves requests, and drives the lifecycle by the server's lifespan.

    Args:
        application: serves HTTP requests and WebSockets.
        api: its lifespan's state goes into every scope.
        lifecycle: started and stopped with the server.
        settings: the effective settings.
        look: of system pages.
    """

    def __init__(
        self, application: Application, api: Api, lifecycle: Lifecycle, settings: Settings, look: Look | None = None
    ) -> None:
        self._look = look or Look()
        self._application = application
        self._api = api
        self._lifecycle = lifecycle
        self._settings = settings

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            return self._run_lifespan(receive, send)
        self._api.add_state(scope)
        scope[PAGE] = self._look
        return self._application(scope, receive, send)

    @property
    def app(self) -> Application:
        """The API, for libraries that look for the served application (NiceGUI)."""
        return self._api.application.api

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            route_imported_logs()
            logs.configure(self._settings, of_uvicorn=False)
            refuse_multiworker(allowed=self._settings.allow_unified_uvicorn_multiworker)
            set_up_uvicorn(self._settings, self._lifecycle.address)
            await self._lifecycle.start()
        except Exception as error:  # noqa: BLE001  (servers take one for "no lifespan", and go on to serve errors)
            known = isinstance(error, FluxLitError)
            if not known or self._settings.log_level == "debug":
                traceback.print_exc()
            message = str(error) if known else f"{type(error).__name__}: {error}"
            await send({"type": "lifespan.startup.failed", "message": message})
            return
        with delay_sigterm(self._settings.gateway_drain_delay_s, self._lifecycle.drain):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await self._lifecycle.stop()
        await send({"type": "lifespan.shutdown.complete"})


class Refusal:
    """An application that cannot start, and reports why at start.

    An exception in its place would be a traceback, or mean to the server that there is no lifespan: it would go on
    then and serve errors.

    Args:
        error: why it cannot start.
    """

    def __init__(self, error: FluxLitError) -> None:
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "lifespan":
            raise self._error
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(self._error)})
