"""Holding a sender back while the system takes no more: the part of an asyncio protocol that is about writing."""

from __future__ import annotations

import asyncio


class Paced(asyncio.Protocol):
    """A protocol whose writers can wait for its transport."""

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
        """Nobody needs to wait any more."""
        self.resume_writing()
