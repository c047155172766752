"""Saying what takes so long: nobody likes to look at a terminal that says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

logger = logging.getLogger("fluxlit")

FIRST_WORD_S = 2.0


@contextlib.asynccontextmanager
async def told(what: str, first_word_s: float | None = None) -> AsyncIterator[None]:
    """Log what the block waits for, if it takes long: first soon, then ever more rarely.

    Args:
        what: completes "Waiting for".
        first_word_s: after how many seconds, by default `FIRST_WORD_S`. Each pause after it is twice as long.
    """
    telling = asyncio.create_task(_tell(what, FIRST_WORD_S if first_word_s is None else first_word_s))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(what: str, pause: float) -> None:
    begun = asyncio.get_running_loop().time()
    while True:
        await asyncio.sleep(pause)
        logger.info("Waiting for %s, %.0f s so far.", what, asyncio.get_running_loop().time() - begun)
        pause *= 2
