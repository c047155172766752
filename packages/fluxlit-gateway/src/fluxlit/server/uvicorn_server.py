"""uvicorn as a part of a larger process."""

from __future__ import annotations

import asyncio
import contextlib
import socket as socket_module
from collections.abc import Iterator
from socket import socket
from typing import Any

import uvicorn

from fluxlit._internal.asgi import Application

# Windows has none.
AF_UNIX = getattr(socket_module, "AF_UNIX", None)


def server_config(application: Application, protocol: Any, **options: Any) -> uvicorn.Config:
    """How uvicorn serves an application by a protocol of ours.

    Args:
        application: what is served; its lifespan is run elsewhere.
        protocol: called for each connection. WebSockets are its business too.
        options: further ones of uvicorn. Those of seconds may be fractions, although their annotation is int. With
            ``access_log=False`` uvicorn silences its access log in the whole process, for other servers too.
    """
    return uvicorn.Config(
        application,
        interface="asgi3",  # it returns awaitables, which uvicorn would not guess
        lifespan="off",
        log_config=None,
        http=protocol,
        ws="none",
        proxy_headers=False,
        server_header=False,
        **{"ws_per_message_deflate": False, **options},
    )


class AsgiServer(uvicorn.Server):
    """A uvicorn server on given sockets that leaves signals to its process.

    Args:
        config: of uvicorn.
        handshake_s: seconds for a TLS handshake; a client that needs more holds a connection for nothing.

    Attributes:
        serving: set when connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, *, handshake_s: float = 30.0) -> None:
        super().__init__(config)
        if not config.loaded:
            config.load()  # Lifespans run before the server does, and libraries look for it in them.
        self._handshake_s = handshake_s
        self.serving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen on sockets of any family; uvicorn takes each for one of TCP."""
        self.servers = [await self._serve_on(listener) for listener in sockets or ()]
        self.started = True
        self.serving.set()

    async def _serve_on(self, listener: socket) -> asyncio.Server:
        loop, config = asyncio.get_running_loop(), self.config
        options: dict[str, Any] = {"sock": listener, "backlog": config.backlog, "ssl": config.ssl}
        if config.ssl is not None:
            options["ssl_handshake_timeout"] = self._handshake_s
        listen = loop.create_unix_server if listener.family == AF_UNIX else loop.create_server
        return await listen(
            lambda: config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
                config=config, server_state=self.server_state, app_state={}, _loop=loop
            ),
            **options,
        )


async def served(server: AsgiServer, serving: asyncio.Task[None]) -> None:
    """Wait until a server accepts connections, or its task has ended without."""
    waiter = asyncio.create_task(server.serving.wait())
    await asyncio.wait({waiter, serving}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
