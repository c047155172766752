"""Compression at the best level, in a process of the lowest priority.

A process of its own does it: the compressor takes seconds and tens of megabytes, and both are gone with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Sequence

logger = logging.getLogger("fluxlit.assets")

SETTLE_S = 5.0
"""How long nothing new may be asked for, in seconds, before work begins: the visitor who waits comes first."""

COMMAND = (sys.executable, "-m", "fluxlit.frontend.precompression")


class BackgroundCompression:
    """What is to be improved, and the task that has it done.

    Each file is tried once; where a cache cannot be written to, trying again would not help.

    Args:
        done: called with the files that may have a better variant now.
    """

    def __init__(self, done: Callable[[Sequence[str]], None]) -> None:
        self._done = done
        self._wanted: dict[str, None] = {}
        self._tried: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def want(self, path: str) -> None:
        """Have a file improved some time; needs a running event loop."""
        if path in self._tried:
            return
        self._tried.add(path)
        self._wanted[path] = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._wanted:
            count = 0
            while count != len(self._wanted):
                count = len(self._wanted)
                await asyncio.sleep(SETTLE_S)
            paths, self._wanted = list(self._wanted), {}
            if (code := await prepared(paths)) != 0:
                logger.warning("Files of the front end could not be compressed further: exit code %d.", code)
            self._done(paths)


async def prepared(paths: Sequence[str]) -> int:
    """Have the best variants of some files made.

    Returns:
        The exit code of the process that did it.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the gateway.
        )
    except OSError as error:
        logger.warning("Files of the front end cannot be compressed further: %s", error)
        return 0
    try:
        if process.stdin is not None:
            process.stdin.write(json.dumps(list(paths)).encode() + b"\n")
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()
        return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
