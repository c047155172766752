"""Flow control of writes: writers wait while the buffer is full."""

from __future__ import annotations

import asyncio


class FlowControlledProtocol(asyncio.Protocol):
    """A protocol that lets writers wait for its transport."""

    __slots__ = ("_drained",)

    def __init__(self) -> None:
        self._drained: asyncio.Future[None] | None = None

    @property
    def write_paused(self) -> bool:
        """The transport takes nothing more for now."""
        return self._drained is not None

    async def drain(self) -> None:
        """Wait until the transport takes more, or the connection is lost."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def pause_writing(self) -> None:
        """Hold writers back: the transport's buffer is above its high-water mark."""
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let writers go on."""
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake every writer: asyncio does not resume lost connections."""
        self.resume_writing()
