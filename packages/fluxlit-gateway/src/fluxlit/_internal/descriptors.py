"""File descriptors: raise the limit, and warn before they run out.

A process without a free descriptor looks healthy and refuses its visitors. Some event loops do not even say so: libuv,
under uvloop, then accepts a connection only to close it. So the process looks for itself, every second. The look costs
two system calls: a new descriptor gets the lowest free number (POSIX, dup(2)), so that many at least are open.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

logger = logging.getLogger("fluxlit")

MOST = 65_536
LOOK_S = 1.0
SHORT = 0.85
"""Share of the limit from which on descriptors are short. The rest must last until the operator has read the log."""

REMEDY = (
    "Raise the limit for open files before the start: `ulimit -n 65536` in a shell, `LimitNOFILE=65536` for systemd, "
    "`--ulimit nofile=65536` for Docker; or spread the visitors over more replicas."
)


class Level(enum.IntEnum):
    """How many descriptors are left."""

    ENOUGH = 0
    FEW = 1
    NONE = 2


@dataclass
class Watch:
    """Reports when a process runs short, once for each time it gets worse.

    Attributes:
        name: what the log calls the process.
        level: what was seen last.
    """

    name: str
    level: Level = Level.ENOUGH

    def look(self) -> None:
        """Look once."""
        limit, taken = descriptor_limit(), lowest_free()
        if taken is None:
            self.enter(Level.NONE, limit)
        else:
            self.enter(Level.FEW if taken >= SHORT * limit else Level.ENOUGH, limit)

    def enter(self, level: Level, limit: int) -> None:
        """Take in what was seen, and log it if it is worse than before."""
        worse, self.level = level > self.level, level
        if worse and level is Level.NONE:
            logger.error(
                "%s has no file descriptor left of %d: new connections fail, open ones go on. %s",
                self.name,
                limit,
                REMEDY,
            )
        elif worse:
            logger.warning(
                "%s uses more than %d of its %d file descriptors. Without a free one new connections fail. %s",
                self.name,
                int(SHORT * limit),
                limit,
                REMEDY,
            )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)


@contextlib.asynccontextmanager
async def watched(name: str) -> AsyncIterator[None]:
    """Raise this process's limit as far as it goes, and watch it.

    Args:
        name: what the log calls the process.
    """
    raise_limit()
    watching = asyncio.create_task(Watch(name).run())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def raise_limit() -> None:
    """Raise the soft limit to the hard one; 1024 exists for select(2) alone."""
    try:
        import resource  # noqa: PLC0415  (POSIX only)
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptor_limit() -> int:
    """How many descriptors this process may have open."""
    try:
        import resource  # noqa: PLC0415  (POSIX only)
    except ImportError:
        return MOST
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def lowest_free() -> int | None:
    """The lowest free descriptor, or `None`; at least as many are open."""
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return None
        raise
    os.close(number)
    return number
