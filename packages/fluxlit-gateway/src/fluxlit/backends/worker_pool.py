"""Supervised worker processes of one kind.

A worker is replaced by starting its successor first. Only when that answers does the old one stop getting new work;
it ends when its requests and runs have. So nothing is lost if the successor cannot start, and no request waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from pathlib import Path

from fluxlit._internal.cancellation import cancel
from fluxlit.backends.backend import STOP_S, Readiness, UiFacts, WorkerStatus, worker_label
from fluxlit.backends.worker import Worker, WorkerKind
from fluxlit.errors import WorkerError
from fluxlit.observability.metrics import Samples
from fluxlit.proxy import UpstreamMetrics
from fluxlit.settings import Resolved
from fluxlit.supervisor.spawn import SpawnedProcess

logger = logging.getLogger("fluxlit.worker")

RETRY_S = 5.0


class WorkerPool:
    """Worker processes that do the same.

    Args:
        kind: what they run.
        count: how many there are.
        facts: what the application knows.
        resolved: the effective settings.
        cookie_secret: see `WorkerSpec`.

    Attributes:
        pool: the workers, leaving ones excepted.
        leaving: workers that finish what they have.
    """

    def __init__(
        self, kind: WorkerKind, count: int, facts: UiFacts, resolved: Resolved, *, cookie_secret: str = ""
    ) -> None:
        self.kind = kind
        self.settings = resolved.settings
        self._facts = facts
        self._resolved = resolved
        self._cookie_secret = cookie_secret
        self._started = 0
        self._former_restarts: Counter[int] = Counter()
        self._former_readings = Samples()
        self._meters: defaultdict[int, UpstreamMetrics] = defaultdict(UpstreamMetrics)
        self._rolling: asyncio.Task[None] | None = None
        self._replacing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self.leaving: list[Worker] = []
        self.pool = [self._build(number, facts.head_start if number == 1 else None) for number in range(1, count + 1)]

    def _build(self, number: int, head_start: SpawnedProcess | None = None) -> Worker:
        self._started += 1
        # A successor listens beside the worker that it follows, so no name is used twice.
        socket = self._facts.run_directory / f"{self.kind.socket}-{self._started}.sock"
        spec = self._facts.spec(self._resolved, socket, self._cookie_secret)
        return Worker(self.kind, number, spec, self._meters[number], head_start)

    async def start(self) -> None:
        """Start all workers; when one fails, all are stopped.

        Raises:
            WorkerError: with the worker's own message.
        """
        failure: WorkerError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self.pool:
                    group.create_task(worker.supervisor.start())
        except* WorkerError as failures:
            await self.stop()
            failure = _first(failures)
        # Not raised inside: before Python 3.11.4 that wraps it in a group of its own.
        if failure is not None:
            raise failure

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """See `Backend.stop`."""
        if self._rolling is not None:
            self._rolling.cancel()
            with contextlib.suppress(asyncio.CancelledError, WorkerError):
                await self._rolling
        await cancel(self._background)
        every_worker = [*self.pool, *self.leaving]
        for worker in every_worker:
            await worker.upstream.close()
        await asyncio.gather(*(worker.stop(timeout_s) for worker in every_worker))

    def readiness(self) -> Readiness:
        """Ready when at least one worker is."""
        ready = any(worker.answering for worker in self.pool)
        return Readiness(ready, "; ".join(worker.supervisor.status.detail for worker in self.pool))

    async def reload(self, changed: frozenset[Path]) -> str:
        """See `Backend.reload`; all workers reload at once."""
        return "; ".join(dict.fromkeys(await asyncio.gather(*(worker.reload(changed) for worker in self.pool))))

    async def roll(self) -> str:
        """See `Backend.roll`; a second call waits for the first."""
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.create_task(self._roll())
        await asyncio.shield(self._rolling)
        return "the worker is new" if len(self.pool) == 1 else f"all {len(self.pool)} workers are new"

    async def _roll(self) -> None:
        for place in range(len(self.pool)):
            async with self._replacing:
                await self._replace(self.pool[place])

    async def renew(self, worker: Worker, *, keep_sessions_s: float = 0.0, in_place: bool = False) -> None:
        """Replace one worker, unless it was replaced meanwhile.

        Args:
            worker: one of the pool.
            keep_sessions_s: how long its sessions may stay where they are, while it leaves in the background.
            in_place: end it before its successor starts: there is no memory for both.

        Raises:
            WorkerError: the successor cannot start, and `worker` goes on.
        """
        async with self._replacing:
            if worker not in self.pool:
                return
            if in_place:
                await self._restart(worker)
            else:
                await self._replace(worker, keep_sessions_s)

    async def _replace(self, old: Worker, keep_sessions_s: float = 0.0) -> None:
        new = self._build(old.number)
        await new.supervisor.start()
        self.pool[self.pool.index(old)] = new
        self.leaving.append(old)
        leaving = asyncio.create_task(self._leave(old, keep_sessions_s))
        self._background.add(leaving)
        leaving.add_done_callback(self._background.discard)
        if not keep_sessions_s:
            await leaving

    async def _leave(self, old: Worker, keep_sessions_s: float) -> None:
        if keep_sessions_s:
            await old.retire(keep_sessions_s)
        await self._end(old)
        self.leaving.remove(old)
        logger.info("%s has been replaced.", old.supervisor.name)

    async def _restart(self, old: Worker) -> None:
        await self._end(old)
        place = self.pool.index(old)
        while True:
            self.pool[place] = self._build(old.number)
            try:
                await self.pool[place].supervisor.start()
            except WorkerError:
                logger.exception("%s does not start again; next try in %g s", old.supervisor.name, RETRY_S)
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _end(self, old: Worker) -> None:
        await old.drain(self.settings.uvicorn_graceful_shutdown_timeout_s)
        counted = await old.measure()
        await old.stop(self.kind.stop_s)
        self._former_readings.update(counted)
        self._former_restarts[old.number] += old.supervisor.status.restarts

    def workers(self) -> list[WorkerStatus]:
        """See `Backend.workers`."""
        statuses = [worker.status(self._former_restarts[worker.number]) for worker in self.pool]
        return statuses + [worker.status() for worker in self.leaving]

    @property
    def restarts(self) -> int:
        """How often workers were started again because they had ended or hung."""
        return sum(worker.restarts for worker in self.workers())

    @property
    def sessions(self) -> int:
        """How many sessions have a browser now."""
        return sum(worker.sessions for worker in self.workers())

    async def measure(self) -> Samples:
        """See `Backend.measure`."""
        total = Samples()
        total.update(self._former_readings)
        every_worker = [*self.pool, *self.leaving]
        for counted in await asyncio.gather(*(worker.measure() for worker in every_worker)):
            total.update(counted)
        for number, meter in self._meters.items():
            total.update(meter.read(worker_label(self.kind.name, number)))
        for worker in every_worker:
            label = worker_label(self.kind.name, worker.number)
            total.add("fluxlit_upstream_requests_active", worker.upstream.active, label)
        return total


def _first(failures: BaseExceptionGroup[WorkerError]) -> WorkerError:
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, WorkerError)
    return first
