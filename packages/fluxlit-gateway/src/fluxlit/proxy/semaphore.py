"""How many may do something at once. Who comes first has the first turn."""

from __future__ import annotations

import asyncio
from collections import deque


class Semaphore:
    """A limit on what is under way.

    `asyncio.Semaphore` does the same, and looks through all waiters at each acquire. A turn that is free
    costs nothing here but a comparison.

    Args:
        most: how many turns there are.
    """

    __slots__ = ("_free", "_waiting")

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a turn if one is free; none is while others wait."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait for a turn, and take it."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # It came just as the waiter was cancelled.
            raise

    def give(self) -> None:
        """Give a turn back: to the first who waits, if there is one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
