"""Flow control of writes: writers wait while the buffer is full."""

from __future__ import annotations

import asyncio


class FlowControlledProtocol(asyncio.Protocol):
    """A protocol that lets writers wait for its transport.

    Attributes:
        write_paused: the transport takes nothing more for now.
    """

    __slots__ = ("_drained", "write_paused")

    def __init__(self) -> None:
        self.write_paused = False
        self._drained: asyncio.Future[None] | None = None

    async def drain(self) -> None:
        """Wait until the transport takes more, or the connection is lost."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def pause_writing(self) -> None:
        """Hold writers back: the transport's buffer is above its high-water mark."""
        if self._drained is None:
            self.write_paused = True
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let writers go on."""
        if self._drained is not None:
            self.write_paused = False
            self._drained.set_result(None)
            self._drained = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake every writer: asyncio does not resume lost connections."""
        self.resume_writing()
