"""Which worker is replaced before it fails, and when.

Costs 4 s of processor time: three processes with FastAPI.
"""

from __future__ import annotations

import asyncio
import logging
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fluxlit._internal.container_memory import Memory
from fluxlit._internal.procfs import Usage
from fluxlit.backends import renewal
from fluxlit.backends.renewal import KEEP_SESSIONS_S, Due, Renewal
from fluxlit.backends.worker_pool import WorkerPool
from fluxlit.errors import WorkerError
from fluxlit.settings import Settings
from tests.gateway.backends.test_api_workers import APP, get, pids, running
from tests.gateway.supervisor.processes import until
from tests.gateway.worker.project import Project, run

MIB = 1 << 20


class Workers:
    """Workers by their process ids, and what they use."""

    def __init__(self, kind: str = "ui", **settings: Any) -> None:
        self.memory: Memory | None = None
        self.used = {1: 100 * MIB, 2: 100 * MIB}
        self.started_at = time.time()
        self.renewed: list[tuple[Any, ...]] = []
        self.fails = False
        self.workers = [
            SimpleNamespace(
                number=pid,
                answering=True,
                served=0,
                supervisor=SimpleNamespace(name=f"worker {pid}", status=SimpleNamespace(pid=pid)),
            )
            for pid in self.used
        ]
        self.leaving: list[Any] = []
        kinds = SimpleNamespace(name=kind)
        pool = SimpleNamespace(pool=self.workers, leaving=self.leaving, kind=kinds, renew=self._renew)
        self.renewal = Renewal(
            [cast("WorkerPool", pool)],
            Settings(**settings),
            memory=lambda: self.memory,
            process=lambda pid: Usage(0.0, self.used[pid], self.started_at),
        )

    async def _renew(self, worker: Any, *, keep_sessions_s: float, in_place: bool) -> None:
        if self.fails:
            raise WorkerError("no such module")
        self.renewed.append((worker.supervisor.status.pid, keep_sessions_s, in_place))

    def due(self) -> tuple[int, str] | None:
        found = self.renewal.due()
        return None if found is None else (found.worker.supervisor.status.pid or 0, found.reason)


def test_without_a_limit_no_worker_is_replaced() -> None:
    workers = Workers()
    workers.used[1], workers.started_at = 1 << 40, 0.0
    assert workers.due() is None


@pytest.mark.parametrize(("limit", "total"), [("150M", None), (str(150 * MIB), None), ("15%", 1000 * MIB)])
def test_the_worker_over_its_memory_is_due(limit: str, total: int | None) -> None:
    workers = Workers(worker_max_memory=limit)
    workers.memory = None if total is None else Memory(total, 0)
    assert workers.due() is None
    workers.used[2] = 119 * MIB
    assert workers.due() is None
    workers.used[2] = 121 * MIB  # it grows on while its successor starts
    assert workers.due() == (2, "it uses 127 MB, more than 80% of worker_max_memory (157 MB)")


def test_a_worker_that_needs_its_memory_from_the_start_is_not_replaced_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers = Workers(worker_max_memory="110M")
    assert [workers.due(), workers.due()] == [None, None]
    assert [record.message for record in caplog.records] == [
        f"worker {pid} has used 105 MB since its start, and worker_max_memory is 115 MB. Another one would not use "
        "less: it is not replaced. Raise worker_max_memory."
        for pid in (1, 2)
    ]
    workers.used[1] += 12 * MIB
    assert workers.due() is not None


def test_an_old_worker_and_one_that_was_used_often_are_due() -> None:
    workers = Workers(worker_max_age_s=60.0)
    workers.started_at -= 61
    assert workers.due() == (1, "it is older than worker_max_age_s (60 s)")
    workers = Workers(worker_max_requests=10)
    workers.workers[1].served = 10
    assert workers.due() == (2, "it has served worker_max_requests (10)")


def test_a_worker_that_does_not_respond_is_left_to_its_supervisor() -> None:
    workers = Workers(worker_max_requests=1)
    workers.workers[0].served, workers.workers[0].answering = 9, False
    assert workers.due() is None


def test_while_one_leaves_none_is_due_and_its_sessions_stay_unless_memory_runs_out() -> None:
    workers, ended = Workers(worker_max_requests=1), []
    workers.workers[0].served = 1
    former = SimpleNamespace(number=2, retiring=False, end_retirement=lambda: ended.append(1))
    workers.leaving.append(former)
    assert (workers.due(), ended) == (None, [])
    former.retiring = True
    assert workers.due() == (1, "it has served worker_max_requests (1)"), "a worker that waits for its tabs is no work"
    former.number = 1
    assert workers.due() is None, "one page must not leave several behind"
    workers.memory = Memory(1000 * MIB, 950 * MIB)
    assert (workers.due(), ended) == (None, [1])
    workers.leaving.clear()
    workers.memory = None
    assert workers.due() == (1, "it has served worker_max_requests (1)")


def test_when_memory_runs_out_the_one_that_has_grown_most_is_due(caplog: pytest.LogCaptureFixture) -> None:
    workers = Workers()
    workers.memory = Memory(1000 * MIB, 500 * MIB)
    assert workers.due() is None
    workers.memory = Memory(1000 * MIB, 950 * MIB)
    for _ in range(2):
        assert workers.due() is None
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "it is logged once"
    workers.used = {1: 140 * MIB, 2: 400 * MIB}
    due = workers.renewal.due()
    assert due is not None
    assert (due.worker.supervisor.name, due.pressing, due.in_place) == ("worker 2", True, True), "no room for both"


@pytest.mark.parametrize(
    ("kind", "settings", "pressing", "kept"),
    [
        ("ui", {}, False, KEEP_SESSIONS_S),
        ("ui", {}, True, 0.0),
        ("ui", {"session_store": "sqlite:///s.db"}, False, 0.0),
        ("ui", {"session_store": "memory://"}, False, KEEP_SESSIONS_S),
        ("ui", {"session_store": "sqlite:///s.db", "restore_sessions": False}, False, KEEP_SESSIONS_S),
        ("api", {}, False, 0.0),
    ],
)
def test_sessions_that_cannot_move_stay(kind: str, settings: dict[str, Any], pressing: bool, kept: float) -> None:
    workers = Workers(kind, **settings)
    due = Due(workers.renewal._pools[0], cast("Any", workers.workers[0]), "", pressing)
    assert asyncio.run(workers.renewal.renew(due))
    assert workers.renewed == [(1, kept, False)]


def test_a_successor_that_cannot_start_leaves_the_worker_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    workers = Workers()
    workers.fails = True
    due = Due(workers.renewal._pools[0], cast("Any", workers.workers[0]), "")
    assert not asyncio.run(workers.renewal.renew(due))
    assert "no such module" in caplog.text


@pytest.mark.slow
def test_a_worker_is_renewed_under_load_with_no_request_failing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "LOOK_S", 0.05)
    project.write("shop.py", APP)

    async def story() -> None:
        async with running(project, api_workers=1, worker_max_requests=40) as (backend, gate):
            before, seen = pids(backend), set()
            async with Renewal([backend], backend.settings).running():
                while pids(backend) == before or backend.leaving:
                    seen.add((await get(gate, "/pid"))[0])
            assert seen == {200}
            (worker,) = backend.pool
            await backend.renew(worker, in_place=True)
            assert (await get(gate, "/pid"))[0] == 200
            await until(lambda: backend.readiness().ready)
            assert worker not in backend.pool

    run(story)
