"""Flow control of an asyncio protocol: writers wait for the transport."""

from __future__ import annotations

import asyncio


class Paced(asyncio.Protocol):
    """A protocol with writers that can wait for its transport."""

    __slots__ = ("_drained",)

    def __init__(self) -> None:
        self._drained: asyncio.Future[None] | None = None

    async def drain(self) -> None:
        """Wait until the transport takes more, or the connection is gone."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def pause_writing(self) -> None:
        """The transport has enough."""
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The transport takes more."""
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Release all waiting writers."""
        self.resume_writing()
