"""A pool of workers from the inside.

Replaced one by one, and never without one that answers.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import websockets

from fluxlit.backends.affinity import WorkerState
from fluxlit.backends.workers import WorkersBackend
from fluxlit.errors import WorkerError
from tests.gateway.backends.test_backend import served
from tests.gateway.supervisor.processes import alive, until
from tests.gateway.worker.project import Project, run
from tests.gateway.worker.streamlit_client import Tab, http_get

pytestmark = pytest.mark.slow

APP = """
import os, time
from pathlib import Path
from fluxlit import FluxLit

app = FluxLit()

@app.page("/")
def home(st):
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    st.text(f"{os.getpid()} run {st.session_state.runs}")

@app.page("/slow")
def slow(st):
    st.text("begins")
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    st.text("ends")
"""


def pids(backend: WorkersBackend) -> list[int]:
    found = [worker.supervisor.status.pid for worker in backend.pool]
    return [pid for pid in found if pid is not None]


async def ask_until(done: asyncio.Event, gate: Path) -> list[int]:
    """Ask for the page, and for a file that no worker has, again and again.

    Every status.
    """
    seen: list[int] = []
    while not done.is_set():
        targets = ("/", "/_stcore/host-config", "/media/none.png")
        seen += [(await asyncio.to_thread(http_get, gate, target))[0] for target in targets]
    return seen


@pytest.mark.parametrize("workers", [1, 2])
def test_all_workers_are_replaced_with_no_request_failing(project: Project, workers: int) -> None:
    project.write("shop.py", APP)
    gate = project.sockets / "gate.sock"

    async def story() -> None:
        settings = {"streamlit_workers": workers}
        async with project.running(settings=settings) as backend, served(backend, gate):
            before, done = pids(backend), asyncio.Event()
            asking = asyncio.create_task(ask_until(done, gate))
            async with Tab(gate) as tab, Tab(gate) as busy:
                await tab.run()
                running = asyncio.create_task(busy.run(page="slow"))
                await until((project.root / "begun").exists, timeout_s=60)
                rolling = asyncio.create_task(backend.roll())
                await until(lambda: any(busy.session_id in worker.sessions for worker in backend.leaving), timeout_s=60)
                assert not (await asyncio.wait({rolling, running}, timeout=0.5))[0], "it waits for the run"
                project.write("go", "")
                await asyncio.wait_for(rolling, 60)
                assert (await running).texts == ["begins", "ends"], "a run under way comes to its end"
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await tab.run()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1012
            async with Tab(gate, resume=tab.session_id) as again:
                assert (await again.run()).texts[0].endswith(" run 1")
            done.set()
            assert set(await asking) == {200, 404}
            assert len(pids(backend)) == workers
            assert not set(pids(backend)) & set(before)
            assert not any(map(alive, before))
            assert backend.restarts == 0, "nothing had gone wrong"

    run(story)


def test_a_file_is_not_looked_for_at_a_worker_that_has_left_meanwhile(project: Project) -> None:
    project.write("shop.py", APP)
    gate = project.sockets / "gate.sock"

    async def story() -> None:
        async with project.running(settings={"streamlit_workers": 2}) as backend, served(backend, gate):
            first, second = backend.pool
            pid = first.supervisor.status.pid
            assert pid is not None
            cookie = {"Cookie": f"fluxlit_worker={first.key}"}
            os.kill(pid, signal.SIGSTOP)
            asking = asyncio.create_task(asyncio.to_thread(http_get, gate, "/media/none.png", cookie))
            await until(lambda: first.busy == 1)
            await backend.renew(second)
            assert second.state is WorkerState.DOWN
            os.kill(pid, signal.SIGCONT)
            assert (await asking)[0] == 404

    run(story)


def test_sessions_that_cannot_move_stay_with_a_renewed_worker_until_they_end(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxlit.backends.worker.RETIRE_IDLE_S", 4.0)
    project.write("shop.py", APP)
    gate = project.sockets / "gate.sock"

    async def story() -> None:
        async with project.running() as backend, served(backend, gate):
            (old,) = pids(backend)
            async with Tab(gate) as stays:
                assert (await stays.run()).texts == [f"{old} run 1"]
                await backend.renew(backend.pool[0], keep_sessions_s=60)
                async with Tab(gate) as fresh:
                    assert (await fresh.run()).texts == [f"{pids(backend)[0]} run 1"]
                assert (await stays.run()).texts == [f"{old} run 2"]
                await stays.socket.close()
                async with Tab(gate, resume=stays.session_id) as back:
                    assert (await back.run()).texts == [f"{old} run 3"], "a short interruption does no harm"
            await until(lambda: not backend.leaving, timeout_s=60)
            assert not alive(old)

    run(story)


def test_code_that_cannot_start_replaces_nothing(project: Project) -> None:
    project.write("shop.py", APP)

    async def story() -> None:
        async with project.running(settings={"streamlit_workers": 2}) as backend:
            before = pids(backend)
            project.write("shop.py", "1 / 0")
            with pytest.raises(WorkerError, match="division by zero"):
                await backend.roll()
            assert pids(backend) == before
            assert backend.readiness().ready

    run(story)


def test_two_calls_roll_once_and_a_stop_ends_both(project: Project) -> None:
    project.write("shop.py", APP)

    async def story() -> None:
        async with project.running() as backend:
            first = pids(backend)
            await asyncio.gather(backend.roll(), backend.roll())
            assert backend._started == 2
            second = pids(backend)
            assert first != second
            rolling = asyncio.create_task(backend.roll())
            await until(lambda: backend._started == 3)
            await backend.stop()
            assert await asyncio.gather(rolling, return_exceptions=True)
            assert not any(map(alive, (*first, *second)))

    run(story)


def test_a_worker_that_dies_takes_nobody_with_it(project: Project) -> None:
    project.write("shop.py", APP)
    gate = project.sockets / "gate.sock"

    async def story() -> None:
        async with project.running(settings={"streamlit_workers": 2}) as backend, served(backend, gate):
            victim = backend.pool[0]
            async with Tab(gate) as one, Tab(gate) as other:
                runs = [(await tab.run()).texts[0] for tab in (one, other)]
                assert backend.sessions == 2
                key, pid = victim.key, victim.supervisor.status.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await until(lambda: victim.state is WorkerState.DOWN)
                assert backend.readiness().ready
                await until(lambda: backend.sessions == 1)
                safe = other if runs[0].startswith(f"{pid} ") else one
                assert (await safe.run()).texts[0].endswith(" run 2")
                await until(lambda: victim.state is WorkerState.ANSWERING, timeout_s=60)
                assert victim.key != key
                assert backend.restarts == 1

    run(story)


def test_one_worker_that_cannot_start_stops_all(project: Project) -> None:
    project.write("shop.py", "import os\nif os.path.exists('taken'):\n    1 / 0\nopen('taken', 'w')\n" + APP)

    async def story() -> None:
        backend = project.backend(settings={"streamlit_workers": 2})
        with pytest.raises(WorkerError, match="division by zero"):
            await backend.start()
        assert not any(map(alive, pids(backend)))

    run(story)


def test_a_stopped_worker_gets_no_new_sessions_and_is_replaced(project: Project) -> None:
    project.write("shop.py", APP)
    gate = project.sockets / "gate.sock"

    async def story() -> None:
        settings = {"streamlit_workers": 2, "streamlit_hung_timeout_s": 4}
        async with project.running(settings=settings) as backend, served(backend, gate):
            victim = backend.pool[0]
            pid = victim.supervisor.status.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: victim.state is WorkerState.SILENT)
            for _ in range(3):
                async with Tab(gate) as tab:
                    assert not (await tab.run()).texts[0].startswith(f"{pid} ")
            await until(lambda: backend.restarts == 1, timeout_s=60)
            assert not alive(pid)
            await until(lambda: victim.state is WorkerState.ANSWERING, timeout_s=60)

    run(story)
