"""Write coalescing: messages of Streamlit in successive turns, one write.

A rerun is a handful of short messages, and Streamlit gives its event loop a turn after each. Written one by one, each
would be a system call here and wake the gateway, which has one system call to read it and another to pass it on.
"""

from __future__ import annotations

import asyncio
from typing import Any

MOST = 64 * 1024
"""Bytes that wait; as much as a transport buffers before it holds writers back."""


class CoalescingTransport:
    """A transport that writes after a turn of the event loop without a write.

    Args:
        transport: does everything else.
    """

    __slots__ = ("_chunks", "_looking", "_loop", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._chunks: list[bytes] = []
        self._size = 0
        self._looking = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write soon, in one piece with what comes before the next turns."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size > MOST:
            self._write()
        elif not self._looking:
            self._looking = True
            self._loop.call_soon(self._look, 0)

    def close(self) -> None:
        """Write what waits, and close."""
        self._write()
        self._transport.close()

    def _look(self, seen: int) -> None:
        count = len(self._chunks)
        if count != seen:
            self._loop.call_soon(self._look, count)
        else:
            self._looking = False
            self._write()

    def _write(self) -> None:
        chunks, self._chunks, self._size = self._chunks, [], 0
        if chunks and not self._transport.is_closing():
            self._transport.write(b"".join(chunks))
