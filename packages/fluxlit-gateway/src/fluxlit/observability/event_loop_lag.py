"""Event-loop lag: how late timers fire, because code computes or blocks.

Every request has waited that long for its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from fluxlit.observability.metrics import DELAYS, Histogram

BEAT_S = 0.5


class LoopLag:
    """Measures the delay of one event loop.

    Attributes:
        delays: in seconds.
    """

    def __init__(self) -> None:
        self.delays = Histogram(DELAYS)

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Measure as long as something runs."""
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _beat(self) -> None:
        while True:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.delays.add(max(0.0, time.monotonic() - due))
