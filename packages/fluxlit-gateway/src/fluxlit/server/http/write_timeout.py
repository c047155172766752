"""Clients that read nothing: how long a connection whose buffer does not shrink is kept.

A client may read as slowly as it likes; one that takes not a byte for the whole limit is gone or means harm, and
holds memory, a descriptor and a turn at the UI. asyncio and libuv wait for it for ever, even when the connection
is closed on this side. nginx calls the same limit `send_timeout`, and its default is 60 s as well.
"""

from __future__ import annotations

import asyncio

LOOKS = 4
"""Looks within one limit: the connection is cut at most a quarter of the limit late."""


class Patience:
    """Watches one connection while its write buffer is full.

    Args:
        transport: the connection.
        limit: seconds without progress after which it is cut.
    """

    __slots__ = ("_limit", "_loop", "_size", "_still", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        self._transport = transport
        self._loop = loop
        self._limit = limit
        self._size = 0
        self._still = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Watch from now on: there is more to send than the system takes."""
        if self._timer is None:
            self._size = self._transport.get_write_buffer_size()
            self._still = 0
            self._timer = self._loop.call_later(self._limit / LOOKS, self._look)

    def end(self) -> None:
        """The client has read enough, or has left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        size = self._transport.get_write_buffer_size()
        self._still = self._still + 1 if size >= self._size else 0
        self._size = size
        if self._still >= LOOKS:
            self._transport.abort()
        elif size:
            self._timer = self._loop.call_later(self._limit / LOOKS, self._look)
