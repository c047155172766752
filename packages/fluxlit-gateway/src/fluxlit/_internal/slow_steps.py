"""Log what a slow step waits for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

logger = logging.getLogger("fluxlit")

FIRST_LOG_S = 2.0


@contextlib.asynccontextmanager
async def log_if_slow(what: str, first_log_s: float | None = None) -> AsyncIterator[None]:
    """Log what the block waits for, first soon, then ever more rarely.

    Args:
        what: completes "Waiting for".
        first_log_s: after how many seconds, by default `FIRST_LOG_S`. Each pause after it is twice as long.
    """
    logging_task = asyncio.create_task(_log(what, FIRST_LOG_S if first_log_s is None else first_log_s))
    try:
        yield
    finally:
        logging_task.cancel()


async def _log(what: str, pause: float) -> None:
    begun = asyncio.get_running_loop().time()
    while True:
        await asyncio.sleep(pause)
        logger.info("Waiting for %s, %.0f s so far.", what, asyncio.get_running_loop().time() - begun)
        pause *= 2
