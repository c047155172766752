"""Ending tasks that are not needed any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

AGAIN_S = 1.0


async def cancel(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks, and return when all have ended.

    One cancellation is not enough for a task in code that is not ours. Before Python 3.12 `asyncio.wait_for` swallows
    it if what it waits for ends in the same moment (python/cpython#86296), and redis-py calls that for each command:
    a task that asks Redis in a loop then goes on for ever, and so does the code that awaits it.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=AGAIN_S)
        for task in ended:
            if not task.cancelled():
                task.exception()  # Retrieved here, or asyncio would log it as never retrieved.
