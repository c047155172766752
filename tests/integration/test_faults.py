"""What goes wrong in production, done to real processes from outside."""

from __future__ import annotations

import asyncio
import re
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, Self

import httpx
import psutil
import pytest
from playwright.sync_api import expect

from fluxlit.testing import Server, run_server
from tests.support.chromium import open_chromium, open_visitor
from tests.support.processes import descendants
from tests.support.session import Session

# Much less than what would be waited for by mistake, and enough for a busy machine.
MARGIN_S = 20.0

APP = """
    import asyncio
    import os
    import time
    from pathlib import Path

    from fastapi.responses import StreamingResponse
    from fluxlit import FluxLit

    if Path("broken").exists():
        raise RuntimeError("the database is gone")

    app = FluxLit(title="Faults")

    @app.api.get("/ping")
    def ping() -> str:
        return "pong"

    @app.api.get("/slow")
    async def slow(seconds: float) -> str:
        Path("slow-begun").touch()
        await asyncio.sleep(seconds)
        return "done"

    @app.api.get("/events")
    async def events(count: int) -> StreamingResponse:
        async def stream():
            for number in range(count):
                yield f"data: {number}\\n\\n"
                await asyncio.sleep(0.1)
        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.api.get("/flood")
    async def flood() -> StreamingResponse:
        async def stream():
            while True:
                yield bytes(65536)
        return StreamingResponse(stream(), media_type="application/octet-stream")

    @app.page("/")
    def home(st):
        st.text(f"process {os.getpid()}")
        if st.button("Count"):
            st.session_state["clicks"] = st.session_state.get("clicks", 0) + 1
        st.text(f"clicks: {st.session_state.get('clicks', 0)}")

    @app.page("/flood")
    def flood_page(st):
        for number in range(100):
            st.text(f"{number} " + "x" * 200_000)
        Path("flooded").touch()

    @app.page("/endless")
    def endless(st):
        st.text("begins")
        while True:
            time.sleep(0.01)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(dedent(APP))
    (tmp_path / "tmp").mkdir()
    return tmp_path


@contextmanager
def running(directory: Path, command: Literal["run", "uvicorn"] = "run", **settings: Any) -> Iterator[Server]:
    """A server with its temporary files in `directory/tmp`.

    Anything left there afterwards is a fault.
    """
    environment = {"TMPDIR": str(directory / "tmp")}
    with run_server("app:app", directory, command=command, environment=environment, **settings) as server:
        yield server
    assert [path.name for path in (directory / "tmp").iterdir() if path.name.startswith("fluxlit-")] == []


def worker(server: Server) -> psutil.Process:
    """The one worker that runs now."""
    (found,) = [child for child in descendants(server.process.pid) if "fluxlit.worker" in child.cmdline()]
    return found


def answers(url: str) -> bool:
    """Whether the server has a descriptor for one more connection."""
    try:
        return httpx.get(url, trust_env=False, timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition: Callable[[], object], what: str, within: float) -> float:
    """Wait until something is true; the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within, f"not within {within} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started


@dataclass
class Asking:
    """Requests one address again and again, on one connection.

    In a thread of its own.
    """

    url: str
    seen: list[Any] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    self.seen.append(client.get(self.url).status_code)
                except httpx.TransportError as error:
                    self.seen.append(type(error).__name__)
                    return
                self._stop.wait(0.01)


def readiness(server: Server) -> tuple[int, str]:
    answer = httpx.get(f"{server.api_url}/readyz", trust_env=False, timeout=60)
    return answer.status_code, answer.json().get("detail", "")


# A worker that dies.


@pytest.mark.browser
def test_after_kill_9_the_api_answers_throughout_and_open_browsers_come_back(directory: Path) -> None:
    with (
        running(directory) as server,
        # Not the module's browser: Playwright's event loop and those of the other tests cannot share a thread.
        open_chromium() as chromium,
        open_visitor(chromium) as visitor,
        Asking(f"{server.api_url}/ping") as asking,
    ):
        visitor.visit(server.url)
        visitor.page.get_by_role("button", name="Count").click()
        expect(visitor.page.get_by_text("clicks: 1")).to_be_visible()

        with visitor.reconnecting():
            worker(server).send_signal(signal.SIGKILL)
            wait_for(lambda: readiness(server)[0] == 503, "readiness notices", 60)
            took = wait_for(lambda: readiness(server)[0] == 200, "the UI is back", 60)
        visitor.page.get_by_role("button", name="Count").click()
        expect(visitor.page.get_by_text(f"process {worker(server).pid}")).to_be_visible()
        visitor.page.get_by_role("button", name="Count").click()
        expect(visitor.page.get_by_text("clicks: 2")).to_be_visible()
        log = server.log()

    assert took < MARGIN_S
    assert len(asking.seen) > 50
    assert set(asking.seen) == {200}
    assert "Streamlit worker 1 is gone: it was ended by SIGKILL. It is restarted in" in log
    assert "Streamlit worker 1 is ready again (restart 1)" in log


def test_a_worker_that_keeps_dying_is_restarted_ever_more_slowly_and_says_why(directory: Path) -> None:
    with running(directory) as server:
        (directory / "broken").touch()
        worker(server).send_signal(signal.SIGKILL)
        pattern = re.compile(r"is gone: Target [^#]*?the database is gone[^#]*? It is restarted in ([\d.]+) s")
        with Asking(f"{server.api_url}/readyz") as asking:
            wait_for(lambda: len(pattern.findall(server.log())) >= 3, "three starts have failed", 60)
            code, detail = readiness(server)
        delays = [float(delay) for delay in pattern.findall(server.log())]
        # Equal jitter: the n-th delay lies in the upper half below 0.2 s * 2^n. The kill itself was the first failure.
        for failures, delay in enumerate(delays, start=2):
            assert 0.1 * 2 ** (failures - 1) <= delay + 0.01 <= 0.2 * 2 ** (failures - 1) + 0.02, delays
        assert asking.seen[-1] == 503
        assert 200 not in asking.seen[asking.seen.index(503) :]
        assert (code, "the database is gone" in detail) == (503, True), detail
        assert httpx.get(f"{server.api_url}/ping", trust_env=False, timeout=60).status_code == 200
        page = httpx.get(server.url, headers={"Accept": "text/html"}, trust_env=False, timeout=60)
        assert (page.status_code, page.headers["retry-after"]) == (503, "1")

        (directory / "broken").unlink()
        wait_for(lambda: readiness(server)[0] == 200, "it comes back when the cause is mended", 60)


def test_a_stopped_worker_is_noticed_and_replaced_in_the_time_that_is_set(directory: Path) -> None:
    with running(directory, streamlit_hung_timeout_s=4) as server, Asking(f"{server.api_url}/ping") as asking:
        stopped = worker(server)
        stopped.send_signal(signal.SIGSTOP)
        noticed = wait_for(lambda: readiness(server)[0] == 503, "readiness notices", 60)
        assert "does not answer" in readiness(server)[1]
        took = noticed + wait_for(lambda: not stopped.is_running(), "it is killed", 60)
        assert 3 <= took < 4 + MARGIN_S
        wait_for(lambda: readiness(server)[0] == 200, "another takes its place", 60)
        assert worker(server).pid != stopped.pid
        assert "Streamlit worker 1 hangs: it lives but has not answered for" in server.log()
    assert set(asking.seen) == {200}


# The end of the server.


def finish(server: Server, within: float, code: int = 0) -> float:
    """Send SIGTERM, and expect an orderly end; the seconds that it took."""
    started = time.monotonic()
    assert server.stop(signal.SIGTERM, timeout=within) == code
    return time.monotonic() - started


@pytest.mark.parametrize(("command", "code"), [("run", 0), ("uvicorn", -signal.SIGTERM)])
def test_probes_on_an_open_connection_see_503_before_the_end(directory: Path, command: Any, code: int) -> None:
    with (
        running(directory, command, gateway_drain_delay_s=1) as server,
        Asking(f"{server.api_url}/readyz") as probe,
        Asking(f"{server.api_url}/ping") as visitor,
    ):
        wait_for(lambda: 200 in probe.seen, "the probe is at work", 60)
        assert finish(server, 60, code) > 1
    first = probe.seen.index(503)
    assert set(probe.seen[:first]) == {200}
    answers, ending = probe.seen[first:-1], probe.seen[-1]
    assert set(answers) == {503}
    assert len(answers) > 10, "for the whole delay"
    assert isinstance(ending, str), "only then the connection closes"
    assert set(visitor.seen[:-1]) == {200}, "and until then everything is served"


@pytest.mark.anyio
async def test_sigterm_lets_requests_and_events_finish_and_closes_sockets_in_order(directory: Path) -> None:
    with running(directory, uvicorn_graceful_shutdown_timeout_s=10) as server:
        async with httpx.AsyncClient(base_url=server.api_url, trust_env=False, timeout=60) as client:
            async with Session(server.url) as tab:
                await tab.run()
                slow = asyncio.create_task(client.get("/slow", params={"seconds": 1}))
                events = asyncio.create_task(client.get("/events", params={"count": 12}))
                await asyncio.to_thread(wait_for, (directory / "slow-begun").exists, "the request is there", 60)
                ending = asyncio.create_task(asyncio.to_thread(finish, server, 60))
                assert await tab.closed() in (1001, 1012)
            assert (await slow).text == '"done"'
            assert (await events).text.count("data:") == 12
        assert await ending < 10 + MARGIN_S


@pytest.mark.anyio
async def test_what_never_ends_is_cut_at_the_graceful_timeout(directory: Path) -> None:
    with running(directory, uvicorn_graceful_shutdown_timeout_s=2) as server:
        async with (
            httpx.AsyncClient(base_url=server.api_url, trust_env=False, timeout=60) as client,
            Session(server.url) as tab,
            client.stream("GET", "/events?count=100000") as events,
        ):
            running_page = asyncio.create_task(tab.run(page="endless"))
            lines = events.aiter_lines()
            assert await anext(lines) == "data: 0"
            took = await asyncio.to_thread(finish, server, 60)
            running_page.cancel()
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in lines:
                    pass
    assert 2 <= took < 2 + MARGIN_S


def refuses(server: Server) -> bool:
    """Whether nothing listens any more."""
    try:
        httpx.get(f"{server.api_url}/ping", trust_env=False, timeout=60)
    except httpx.TransportError:
        return True
    return False


def test_a_second_ctrl_c_cuts_off_what_would_be_waited_for(directory: Path) -> None:
    with (
        running(directory, uvicorn_graceful_shutdown_timeout_s=60) as server,
        httpx.stream("GET", f"{server.api_url}/events?count=100000", trust_env=False, timeout=60) as events,
    ):
        assert next(events.iter_lines()) == "data: 0"
        server.process.send_signal(signal.SIGINT)
        wait_for(lambda: refuses(server), "it stops listening", 60)
        assert server.process.poll() is None, "the events go on"
        started = time.monotonic()
        assert server.stop(signal.SIGINT, timeout=60) == 0
        assert time.monotonic() - started < MARGIN_S


def stalled_download(server: Server, path: str) -> socket.socket:
    """Ask for something long and read nothing of it."""
    address = httpx.URL(server.url)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect((address.host, address.port))
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc.decode()}\r\n\r\n".encode())
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


@pytest.mark.anyio
async def test_readers_that_stall_do_not_hold_up_the_end(directory: Path) -> None:
    with running(directory, uvicorn_graceful_shutdown_timeout_s=2) as server, ExitStack() as readers:
        for _ in range(3):
            readers.enter_context(stalled_download(server, "/api/flood"))
        async with Session(server.url, stalls=True) as tab:
            await tab.ask(page="flood")
            await asyncio.to_thread(wait_for, (directory / "flooded").exists, "much is on its way", 60)
            took = await asyncio.to_thread(finish, server, 60)
    assert took < 2 + MARGIN_S


@pytest.mark.anyio
async def test_a_stopped_worker_does_not_hold_up_the_end_either(directory: Path) -> None:
    with running(directory, uvicorn_graceful_shutdown_timeout_s=2) as server:
        async with Session(server.url) as tab:
            await tab.run()
            worker(server).send_signal(signal.SIGSTOP)
            assert await asyncio.to_thread(finish, server, 60) < 2 + MARGIN_S


# Too few of something.


def test_the_log_says_when_descriptors_run_short(directory: Path) -> None:
    with running(directory) as server, ExitStack() as visitors:
        taken = psutil.Process(server.process.pid).num_fds()
        limit = taken + 60
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        address = httpx.URL(server.url)
        for _ in range(55):
            visitors.enter_context(socket.create_connection((address.host, address.port or 80)))
        wait_for(lambda: "The gateway uses more than" in server.log(), "a warning", 60)
        for _ in range(20):
            visitors.enter_context(socket.create_connection((address.host, address.port or 80)))
        wait_for(lambda: f"no file descriptor left of {limit}" in server.log(), "an error", 60)
        assert "ulimit -n 65536" in server.log()
        visitors.close()
        wait_for(lambda: answers(f"{server.api_url}/ping"), "it recovers", 60)
        assert server.log().count("file descriptor left") == 1, "said once, not for every connection"


def test_the_gateway_takes_as_many_descriptors_as_it_may(directory: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with running(directory) as server:
            for pid in (server.process.pid, worker(server).pid):
                assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
