"""uvicorn as a part of a larger process."""

from __future__ import annotations

import asyncio
import contextlib
import socket as socket_module
from collections.abc import Iterator
from socket import socket
from typing import Any

import uvicorn


class AsgiServer(uvicorn.Server):
    """A uvicorn server that leaves signals and announcements to whoever owns the process.

    Args:
        config: of uvicorn.
        handshake_s: seconds for a TLS handshake; a client that needs more holds a connection for nothing.

    Attributes:
        serving: set when connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, *, handshake_s: float = 30.0) -> None:
        super().__init__(config)
        self._handshake_s = handshake_s
        self.serving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, and say so.

        uvicorn would take every socket that it is given for one of TCP.
        """
        if sockets is None:
            await super().startup()
        else:
            self.servers = [await self._listen(listener) for listener in sockets]
            self.started = True
        self.serving.set()

    async def _listen(self, listener: socket) -> asyncio.Server:
        loop, config = asyncio.get_running_loop(), self.config

        def connected() -> asyncio.Protocol:
            build: Any = config.http_protocol_class
            protocol: asyncio.Protocol = build(
                config=config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop
            )
            return protocol

        options: dict[str, Any] = {"sock": listener, "backlog": config.backlog, "ssl": config.ssl}
        if config.ssl is not None:
            options["ssl_handshake_timeout"] = self._handshake_s
        if listener.family == getattr(socket_module, "AF_UNIX", None):
            return await loop.create_unix_server(connected, **options)
        return await loop.create_server(connected, **options)

    def _log_started_message(self, listeners: Any) -> None:
        """The owner announces the address, once it is true that everything behind it answers."""


async def served(server: AsgiServer, serving: asyncio.Task[None]) -> None:
    """Wait until a server accepts connections, or its task has ended without."""
    waiter = asyncio.create_task(server.serving.wait())
    await asyncio.wait({waiter, serving}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
