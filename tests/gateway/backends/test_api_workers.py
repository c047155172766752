"""The API in worker processes.

Replaced one by one, and never without one that serves.

Costs about 12 s of processor time: eleven processes that import FastAPI.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fluxlit.backends.api_workers import ApiWorkers
from fluxlit.errors import WorkerError
from fluxlit.settings import resolve
from tests.gateway.backends.test_backend import served
from tests.gateway.supervisor.processes import alive, until
from tests.gateway.worker.project import Project, run
from tests.gateway.worker.streamlit_client import http_get

pytestmark = pytest.mark.slow

APP = """
import asyncio, os, time
from contextlib import asynccontextmanager
from pathlib import Path
from fastapi import BackgroundTasks, FastAPI
from fluxlit import FluxLit

@asynccontextmanager
async def lifespan(api):
    yield {}
    Path(f"ended-{os.getpid()}").touch()

app = FluxLit(api=FastAPI(lifespan=lifespan))

@app.api.get("/pid")
async def pid():
    return os.getpid()

@app.api.get("/slow")
async def slow():
    Path("begun").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.02)
    return os.getpid()

@app.api.get("/block")
async def block():
    Path("blocks").touch()
    time.sleep(600)

@app.api.get("/later")
async def later(tasks: BackgroundTasks):
    async def work():
        await asyncio.sleep(0.5)
        Path("done").touch()
    tasks.add_task(work)
"""


@asynccontextmanager
async def running(project: Project, **settings: Any) -> AsyncIterator[tuple[ApiWorkers, Path]]:
    backend = ApiWorkers(project.facts(), resolve(flags=settings, environ={}, directory=project.root))
    await backend.start()
    gate = project.sockets / "gate.sock"
    try:
        async with served(backend, gate):
            yield backend, gate
    finally:
        await backend.stop(20)


async def get(gate: Path, target: str) -> tuple[int, Any]:
    status, _, body = await asyncio.to_thread(http_get, gate, target)
    return status, json.loads(body) if body else None


def pids(backend: ApiWorkers) -> list[int]:
    return [worker.supervisor.status.pid or 0 for worker in backend.pool]


async def ask_until(done: asyncio.Event, gate: Path) -> set[int]:
    seen = set()
    while not done.is_set():
        seen.add((await get(gate, "/pid"))[0])
    return seen


def test_all_workers_are_replaced_with_no_request_failing(project: Project) -> None:
    project.write("shop.py", APP)

    async def story() -> None:
        async with running(project, api_workers=2) as (backend, gate):
            before, done = pids(backend), asyncio.Event()
            asking = asyncio.create_task(ask_until(done, gate))
            slow = asyncio.create_task(get(gate, "/slow"))
            await until((project.root / "begun").exists)
            assert await get(gate, "/later") == (200, None)
            rolling = asyncio.create_task(backend.roll())
            await until(lambda: not set(before) <= set(pids(backend)), timeout_s=60)
            project.write("go", "")
            status, answered_by = await slow
            assert (status, answered_by in before) == (200, True), "a request under way comes to its end"
            assert await asyncio.wait_for(rolling, 60) == "all 2 workers are new"
            done.set()
            assert await asking == {200}
            assert (project.root / "done").exists(), "what runs in the background of a response is finished"
            assert all((project.root / f"ended-{pid}").exists() for pid in before), "the lifespan was ended"
            assert not set(before) & set(pids(backend))
            assert not any(map(alive, before))
            assert backend.restarts == 0
            project.write("shop.py", "1 / 0")
            with pytest.raises(WorkerError, match="division by zero"):
                await backend.roll()
            assert (await get(gate, "/pid"))[0] == 200, "code that cannot start replaces nothing"

    run(story)


def test_requests_go_where_nothing_blocks_and_what_stays_blocked_is_replaced(project: Project) -> None:
    project.write("shop.py", APP)

    async def story() -> None:
        async with running(project, api_workers=2, streamlit_hung_timeout_s=4) as (backend, gate):
            before = pids(backend)
            blocked = asyncio.create_task(get(gate, "/block"))
            await until((project.root / "blocks").exists)
            answered_by = {(await get(gate, "/pid"))[1] for _ in range(20)}
            assert len(answered_by) == 1, "the other worker serves"
            assert backend.readiness().ready
            assert (await asyncio.wait_for(blocked, 60))[0] in (502, 503)
            await until(lambda: backend.restarts == 1 and all(each.answering for each in backend.pool), timeout_s=60)
            assert not alive((set(before) - answered_by).pop())

    run(story)


def test_while_the_only_worker_is_down_the_api_is_unavailable_as_json(project: Project) -> None:
    project.write("shop.py", APP)

    async def story() -> None:
        async with running(project, api_workers=1) as (backend, gate):
            os.kill(pids(backend)[0], signal.SIGKILL)
            seen = []
            while backend.restarts == 0 or not backend.readiness().ready:
                status, headers, body = await asyncio.to_thread(http_get, gate, "/pid")
                if status != 200:
                    seen.append((status, headers["content-type"], headers["retry-after"], json.loads(body)["status"]))
            assert set(seen) == {(503, "application/problem+json", "1", 503)}
            assert (await get(gate, "/pid"))[0] == 200
            (worker,) = backend.workers()
            assert (worker.kind, worker.number, worker.restarts, worker.ready) == ("api", 1, 1, True)
            samples = await backend.measure()
            assert ("api-1",) in samples.of("fluxlit_event_loop_delay_seconds")
            assert ("api-1",) in samples.of("fluxlit_upstream_response_seconds")

    run(story)


def test_a_lifespan_that_fails_is_named_at_the_start(project: Project) -> None:
    project.write("shop.py", APP.replace("    yield {}", "    raise RuntimeError('no database')\n    yield {}"))

    async def story() -> None:
        with pytest.raises(WorkerError, match="its lifespan raised RuntimeError: no database"):
            async with running(project, api_workers=1):
                pass

    run(story)
