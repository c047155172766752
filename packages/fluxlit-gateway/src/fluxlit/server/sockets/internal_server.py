"""Servers beside the public one, each with listeners of its own.

One is the API once more, on a UNIX socket that only this user's processes can reach. Pages call it there: its address
does not depend on the public port or on a proxy in front of it, is known before anything starts, and an internal
call can never be mistaken for one from outside. The other is the admin listener.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from fluxlit._internal.asgi import Application
from fluxlit.errors import FluxLitError
from fluxlit.observability.logs.configuration import IN_PRIVATE_SERVER
from fluxlit.server.http.protocol import HttpProtocol
from fluxlit.server.http.request_head import HttpLimits
from fluxlit.server.sockets.listeners import Listener
from fluxlit.server.uvicorn_server import AsgiServer, served, server_config


class PrivateServer:
    """Serves one ASGI application.

    Args:
        application: what to serve; its lifespan is run elsewhere.
        listeners: where; the caller closes them.
    """

    def __init__(self, application: Application, listeners: Sequence[Listener]) -> None:
        protocol = partial(HttpProtocol, limits=HttpLimits(body_rate=0))  # clients of this machine may take their time
        config = server_config(application, protocol, timeout_keep_alive=75, timeout_graceful_shutdown=1)
        self._listeners = listeners
        self._server = AsgiServer(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept connections.

        Raises:
            FluxLitError: the server fails.
        """
        self._task = asyncio.create_task(self._serve())
        await served(self._server, self._task)
        if self._task.done():
            cause = self._task.exception()
            where = ", ".join(each.origin(tls=False) for each in self._listeners)
            raise FluxLitError(f"{where} cannot be listened on: {cause}")

    async def _serve(self) -> None:
        IN_PRIVATE_SERVER.set(True)
        await self._server.serve(sockets=[each.socket for each in self._listeners])

    async def stop(self) -> None:
        """Close the listeners' connections."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None
