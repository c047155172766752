"""Time limit for clients that read nothing.

A client may read slowly. One that takes not a byte for the whole limit is gone or malicious, and holds memory, a
descriptor and a place at the upstream; asyncio and libuv wait for it without end, even when the connection is closed
on this side. nginx calls the limit `send_timeout`, and its default is 60 s as well.
"""

from __future__ import annotations

import asyncio

LOOKS = 4
"""Looks at the buffer within one limit: a connection is cut at most a quarter of the limit late."""


class WriteTimeout:
    """Watches the write buffer of one connection while it is not empty.

    Args:
        transport: the connection; aborted when its buffer has not shrunk in time.
        limit: seconds without progress.
    """

    __slots__ = ("_limit", "_loop", "_size", "_still", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        self._transport = transport
        self._loop = loop
        self._limit = limit
        self._size = 0
        self._still = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch from now on."""
        if self._timer is None:
            self._size = self._transport.get_write_buffer_size()
            self._still = 0
            self._timer = self._loop.call_later(self._limit / LOOKS, self._look)

    def stop(self) -> None:
        """End the timer."""
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
