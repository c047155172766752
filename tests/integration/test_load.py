"""Many people at once for a while.

No error, and nothing is left of them in the gateway afterwards.

The suite takes 10 seconds for it. ``LOAD_SECONDS=120`` takes the two minutes that a release gets.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from fluxlit.testing import Server, run_server
from tests.support.session import Session

SECONDS = float(os.environ.get("LOAD_SECONDS", "10"))
SESSIONS = 200
REQUESTS_A_SECOND = 500
CONNECTIONS = 20
THINK_S = 10.0
GROWTH_BYTES = 8 * 1024 * 1024

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(240 + 6 * SECONDS)]

APP = """
    from fluxlit import FluxLit

    app = FluxLit(title="Load")

    @app.api.get("/ping")
    async def ping() -> str:
        return "pong"

    @app.page("/")
    def home(st):
        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        st.title("Load")
        st.slider("How many?", 0, 100, 42)
        st.text(f"run {st.session_state['runs']}")
"""


async def call_api(server: Server, seen: Counter[str], seconds: float) -> None:
    """Ask at an even pace on one connection, however slow the API is."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = f"GET /api/ping HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    started, pause = time.monotonic(), CONNECTIONS / REQUESTS_A_SECOND
    for number in range(int(seconds / pause)):
        await asyncio.sleep(max(0.0, started + number * pause - time.monotonic()))
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        seen[head.split(b"\r\n", 1)[0].decode()] += 1
        assert await reader.readexactly(6) == b'"pong"'
    writer.close()


async def visit(tab: Session, number: int, seconds: float) -> int:
    """Click now and then; the number of runs."""
    end = time.monotonic() + seconds
    await asyncio.sleep(min(seconds, THINK_S * number / SESSIONS))
    runs = 0
    while time.monotonic() < end:
        runs += 1
        assert await tab.run() == ["Load", f"run {runs}"]
        await asyncio.sleep(min(THINK_S, end - time.monotonic()))
    return runs


async def load(server: Server, seconds: float) -> tuple[Counter[str], int]:
    """200 sessions and 500 requests a second at once.

    The statuses of the API, and all runs.
    """
    seen: Counter[str] = Counter()
    async with AsyncExitStack() as tabs:
        sessions = []
        for _ in range(SESSIONS // 10):
            some = [tabs.enter_async_context(Session(server.url)) for _ in range(10)]
            sessions += await asyncio.gather(*some)
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(call_api(server, seen, seconds))
            visits = [group.create_task(visit(tab, number, seconds)) for number, tab in enumerate(sessions)]
    return seen, sum(each.result() for each in visits)


async def settled_descriptors(gateway: psutil.Process, most: int, within: float = 60) -> int:
    """Wait until what the visitors held is closed; what is open then."""
    deadline = time.monotonic() + within
    while gateway.num_fds() > most and time.monotonic() < deadline:  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(0.1)
    return gateway.num_fds()


async def test_200_sessions_and_500_requests_a_second_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(dedent(APP))
    with run_server("app:app", tmp_path, command="run", streamlit_workers=2) as server:
        gateway = psutil.Process(server.process.pid)
        idle = gateway.num_fds()
        await load(server, 3)  # what is loaded and kept only once is not growth
        assert await settled_descriptors(gateway, idle) <= idle
        before = gateway.memory_info().rss

        answers, runs = await load(server, SECONDS)

        assert answers == {"HTTP/1.1 200 OK": int(SECONDS * REQUESTS_A_SECOND / CONNECTIONS) * CONNECTIONS}
        assert runs >= SESSIONS * SECONDS / THINK_S / 2
        assert await settled_descriptors(gateway, idle) <= idle
        growth = gateway.memory_info().rss - before
        assert growth < GROWTH_BYTES, f"the gateway has grown by {growth / 2**20:.1f} MiB"
        assert "ERROR" not in server.log()
        assert "WARNING" not in server.log()
