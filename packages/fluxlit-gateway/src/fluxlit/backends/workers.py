"""The UI in supervised worker processes behind the proxy.

Every request asks `affinity.choose` for a worker of the pool. With a single worker there is nothing
to choose, and no cookie is set.

A worker is replaced by starting its successor first. Only when that answers does the old one stop getting new work;
it ends when its requests and runs have. So nothing is lost if the successor cannot start, and no request waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import Counter, defaultdict
from collections.abc import Awaitable
from functools import partial
from pathlib import Path

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.responses import answer_unavailable
from fluxlit.backends.affinity import Kind, RoutingHint, choose, routing_hint, worker_cookie
from fluxlit.backends.backend import STOP_S, Readiness, UiFacts, WorkerStatus
from fluxlit.backends.sticky_cookie import CookieSetter, Field, ask_in_turn
from fluxlit.backends.worker import Worker
from fluxlit.errors import WorkerError
from fluxlit.observability.metrics import Samples
from fluxlit.proxy import UpstreamMetrics
from fluxlit.settings import Resolved
from fluxlit.supervisor.spawn import SpawnedProcess

logger = logging.getLogger("fluxlit.ui")


class WorkersBackend:
    """The UI in worker processes.

    Args:
        facts: what the application knows.
        resolved: the effective settings.

    Attributes:
        pool: the workers, leaving ones excepted.
    """

    def __init__(self, facts: UiFacts, resolved: Resolved) -> None:
        self._facts = facts
        self._resolved = resolved
        self._settings = resolved.settings
        self._cookie_secret = secrets.token_hex(32)
        self._started = 0
        self._former_restarts: Counter[int] = Counter()
        self._former_readings = Samples()
        self._meters: defaultdict[int, UpstreamMetrics] = defaultdict(UpstreamMetrics)
        self._leaving: list[Worker] = []
        self._rolling: asyncio.Task[None] | None = None
        count = resolved.settings.streamlit_workers
        self._several = count > 1
        self.pool = [self._build(number, facts.head_start if number == 1 else None) for number in range(1, count + 1)]

    def _build(self, number: int, head_start: SpawnedProcess | None = None) -> Worker:
        self._started += 1
        # A successor listens beside the worker that it follows, so no name is used twice.
        socket = self._facts.run_directory / f"worker-{self._started}.sock"
        spec = self._facts.spec(self._resolved, socket, self._cookie_secret)
        return Worker(number, spec, self._meters[number], head_start)

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
        every_worker = [*self.pool, *self._leaving]
        for worker in every_worker:
            await worker.upstream.close()
        await asyncio.gather(*(worker.stop(timeout_s) for worker in every_worker))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Relay to a worker; 503 while there is none."""
        if len(self.pool) > 1 or self._leaving:
            return self._relay_to_chosen(scope, receive, send)
        worker = self.pool[0]
        return worker(scope, receive, send) if worker.ready else answer_unavailable(scope, send)

    async def _relay_to_chosen(self, scope: Scope, receive: Receive, send: Send) -> None:
        mount = self._settings.root_path
        request = routing_hint(
            scope["type"], scope["path"][len(mount) :], scope.get("subprotocols", ()), scope["headers"]
        )
        chosen = self._choose(request)
        if not chosen:
            await answer_unavailable(scope, send)
            return
        if request.kind is Kind.STREAM and request.cookie == chosen[0].key:
            chosen[0].use_reservation()
        elif self._several and request.cookie != chosen[0].key:
            send = CookieSetter(send, partial(self._tie, chosen[0], scope))
        if request.kind is Kind.MEDIA:
            await ask_in_turn(chosen, scope, receive, send)
        else:
            await chosen[0](scope, receive, send)

    def _choose(self, request: RoutingHint) -> list[Worker]:
        every_worker = {worker.key: worker for worker in (*self.pool, *self._leaving)}
        candidates = [worker.candidate(request.session) for worker in every_worker.values()]
        return [every_worker[key] for key in choose(request, candidates)]

    def _tie(self, worker: Worker, scope: Scope) -> Field:
        """The cookie that brings a browser back to its worker."""
        if scope["type"] == "http":
            worker.reserve()
        return worker_cookie(worker.key, path=self._settings.root_path, secure=scope["scheme"] in ("https", "wss"))

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
        for worker in list(self.pool):
            await self._replace(worker)

    async def _replace(self, old: Worker) -> None:
        new = self._build(old.number)
        await new.supervisor.start()
        self.pool[self.pool.index(old)] = new
        self._leaving.append(old)
        await old.drain(self._settings.uvicorn_graceful_shutdown_timeout_s)
        counted = await old.measure()
        await old.stop(STOP_S)
        self._leaving.remove(old)
        self._former_readings.update(counted)
        self._former_restarts[old.number] += old.supervisor.status.restarts
        logger.info("Streamlit worker %d has been replaced.", old.number)

    def workers(self) -> list[WorkerStatus]:
        """See `Backend.workers`."""
        statuses = [worker.status(self._former_restarts[worker.number]) for worker in self.pool]
        return statuses + [worker.status() for worker in self._leaving]

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
        every_worker = [*self.pool, *self._leaving]
        for counted in await asyncio.gather(*(worker.measure() for worker in every_worker)):
            total.update(counted)
        for number, meter in self._meters.items():
            total.update(meter.read(str(number)))
        for worker in every_worker:
            total.add("fluxlit_upstream_requests_active", worker.upstream.active, str(worker.number))
        return total


def _first(failures: BaseExceptionGroup[WorkerError]) -> WorkerError:
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, WorkerError)
    return first
