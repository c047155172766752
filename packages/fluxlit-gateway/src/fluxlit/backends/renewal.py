"""Workers that are replaced before they fail.

They are too large, too old, or were used often.

One worker is replaced at a time. Sessions of a Streamlit worker move through the session store; without a shared one
they stay where they are until they end, at most `KEEP_SESSIONS_S`. Meanwhile others may be replaced, but not the
successor of a worker that is still there: a page that leaks would leave one behind after the other. When the memory of
the container is nearly used up, the worker that has grown most is replaced, before the kernel ends one in the middle of
its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from fluxlit._internal.cancellation import cancel
from fluxlit._internal.container_memory import Memory, container_memory, machine_memory
from fluxlit._internal.procfs import Usage, usage
from fluxlit.backends.worker import Worker
from fluxlit.backends.worker_pool import WorkerPool
from fluxlit.errors import WorkerError
from fluxlit.sessions import is_shared
from fluxlit.settings import Settings
from fluxlit.settings.grammar import memory_bytes

logger = logging.getLogger("fluxlit.worker")

LOOK_S = 0.5
RETRY_S = 60.0
KEEP_SESSIONS_S = 3600.0

PRESSURE = 0.9
"""Share of the container's memory above which a worker is replaced."""

EARLY = 0.8
"""Share of `worker_max_memory` at which a worker is replaced: it grows on while its successor starts."""

GROWTH = 32 << 20
"""Bytes by which a worker must have grown since its start: another one would not help more."""


@dataclass(frozen=True)
class Due:
    """A worker to replace.

    Attributes:
        pool: its pool.
        worker: the worker.
        reason: for the log.
        pressing: the container runs out of memory.
        in_place: there is no memory for its successor beside it.
    """

    pool: WorkerPool
    worker: Worker
    reason: str
    pressing: bool = False
    in_place: bool = False


class Renewal:
    """Replaces workers that are over a limit.

    Args:
        pools: all workers.
        settings: the limits.
        memory: reads the memory of the container.
        process: reads what a process uses.
    """

    def __init__(
        self,
        pools: Sequence[WorkerPool],
        settings: Settings,
        *,
        memory: Callable[[], Memory | None] = container_memory,
        process: Callable[[int], Usage | None] = usage,
    ) -> None:
        self._pools = pools
        self._settings = settings
        self._memory = memory
        self._process = process
        self._first: dict[int, int] = {}  # bytes of a process when it was ready, by its pid
        self._warned = False
        self._needs_more: set[int] = set()
        self._moves = settings.restore_sessions and is_shared(settings.session_store)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look as long as something runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            await cancel([task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if (due := self.due()) is not None and not await self.renew(due):
                await asyncio.sleep(RETRY_S)

    async def renew(self, due: Due) -> bool:
        """Replace a worker; whether it worked."""
        logger.info("%s is replaced: %s.", due.worker.supervisor.name, due.reason)
        keep = 0.0 if self._moves or due.pressing or due.pool.kind.name == "api" else KEEP_SESSIONS_S
        try:
            await due.pool.renew(due.worker, keep_sessions_s=keep, in_place=due.in_place)
        except WorkerError as error:
            logger.error("A worker could not be replaced, and goes on: %s", error)  # noqa: TRY400  (it names the cause)
            return False
        return True

    def due(self) -> Due | None:
        """The worker that must be replaced next, if any."""
        memory = self._memory()
        found = list(self._used())
        self._first = {
            status.pid: self._first.get(status.pid, used.memory)
            for _, worker, used in found
            if (status := worker.supervisor.status).pid is not None
        }
        pressing = memory is not None and memory.used >= PRESSURE * memory.limit
        leaving = [worker for pool in self._pools for worker in pool.leaving]
        if pressing or not all(worker.retiring for worker in leaving):
            for worker in leaving if pressing else ():
                worker.end_retirement()
            if leaving:
                return None  # Never two at once.
        if pressing:
            assert memory is not None
            return self._pressing(found, memory)
        self._warned = False
        for pool, worker, used in found:
            if any(worker.number == former.number for former in pool.leaving):
                continue
            if reason := self._over(worker, used, memory):
                return Due(pool, worker, reason, in_place=self._no_room(worker, memory))
        return None

    def _used(self) -> list[tuple[WorkerPool, Worker, Usage]]:
        found = []
        for pool in self._pools:
            for worker in pool.pool:
                pid = worker.supervisor.status.pid
                if worker.answering and pid is not None and (used := self._process(pid)) is not None:
                    found.append((pool, worker, used))
        return found

    def _over(self, worker: Worker, used: Usage, memory: Memory | None) -> str:
        settings = self._settings
        if settings.worker_max_memory is not None:
            limit = memory_bytes(settings.worker_max_memory, machine_memory() if memory is None else memory.limit)
            if used.memory > EARLY * limit and self._has_grown(worker, used, limit):
                return f"it uses {_mb(used.memory)}, more than {EARLY:.0%} of worker_max_memory ({_mb(limit)})"
        if settings.worker_max_age_s is not None and time.time() - used.started_at > settings.worker_max_age_s:
            return f"it is older than worker_max_age_s ({settings.worker_max_age_s:g} s)"
        if settings.worker_max_requests is not None and worker.served >= settings.worker_max_requests:
            return f"it has served worker_max_requests ({settings.worker_max_requests})"
        return ""

    def _pressing(self, found: Sequence[tuple[WorkerPool, Worker, Usage]], memory: Memory) -> Due | None:
        grown = max(found, key=lambda each: self._growth(each[1], each[2]), default=None)
        if grown is not None and self._growth(grown[1], grown[2]) >= GROWTH:
            pool, worker, used = grown
            reason = f"{_mb(memory.used)} of the container's {_mb(memory.limit)} are used, and it has grown most"
            return Due(pool, worker, f"{reason}, to {_mb(used.memory)}", True, self._no_room(worker, memory))
        if not self._warned:
            self._warned = True
            logger.error(
                "%s of the container's %s are used, and no worker has grown since its start. The kernel will end a "
                "process. Give the container more memory, or start fewer workers.",
                _mb(memory.used),
                _mb(memory.limit),
            )
        return None

    def _has_grown(self, worker: Worker, used: Usage, limit: int) -> bool:
        """Whether a successor would use less; logged once for a worker if not."""
        pid = worker.supervisor.status.pid or 0
        if self._growth(worker, used) >= min(GROWTH, limit // 10):
            return True
        if pid not in self._needs_more:
            self._needs_more = {pid, *(self._needs_more & self._first.keys())}
            logger.error(
                "%s has used %s since its start, and worker_max_memory is %s. Another one would not use less: it is "
                "not replaced. Raise worker_max_memory.",
                worker.supervisor.name,
                _mb(used.memory),
                _mb(limit),
            )
        return False

    def _growth(self, worker: Worker, used: Usage) -> int:
        return used.memory - self._first.get(worker.supervisor.status.pid or 0, used.memory)

    def _no_room(self, worker: Worker, memory: Memory | None) -> bool:
        return memory is not None and memory.free < self._first.get(worker.supervisor.status.pid or 0, 0)


def _mb(number: int) -> str:
    return f"{number / 1e6:.0f} MB"
