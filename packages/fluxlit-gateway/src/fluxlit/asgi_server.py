"""uvicorn as a part of a larger process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from socket import socket
from typing import Any

import uvicorn


class AsgiServer(uvicorn.Server):
    """A uvicorn server that leaves signals and announcements to whoever owns the process.

    Attributes:
        serving: set when connections are accepted.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.serving.set()

    def _log_started_message(self, listeners: Any) -> None:
        """The owner announces the address, once it is true that everything behind it answers."""


async def served(server: AsgiServer, serving: asyncio.Task[None]) -> None:
    """Wait until a server accepts connections, or its task has ended without."""
    waiter = asyncio.create_task(server.serving.wait())
    await asyncio.wait({waiter, serving}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
