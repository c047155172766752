"""The test tools that users get, tested as they would use them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import httpx
import httpx_ws
import pytest
from fastapi import FastAPI, Request, WebSocket

from fluxlit import FluxLit, Settings
from fluxlit.testing import ServerError, api_client, async_api_client, run_server

PLAIN = """
    from fluxlit import FluxLit

    app = FluxLit()

    @app.api.get("/greeting")
    def greeting():
        return "hello"
"""


@pytest.fixture
def app() -> FluxLit:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, list[str]]]:
        events.append("started")
        yield {"events": events}
        events.append("stopped")

    app = FluxLit(fastapi_kwargs={"lifespan": lifespan}, api_mount_path="/backend")
    app.api.state.events = events

    @app.api.get("/events")
    def seen(request: Request) -> list[str]:
        kept: list[str] = request.state.events
        return kept

    @app.api.get("/address")
    def address(request: Request) -> str:
        return str(request.url)

    @app.api.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    return app


def test_the_api_client_runs_the_lifespan_around_its_calls(app: FluxLit) -> None:
    with api_client(app) as client:
        assert client.get("/events").json() == ["started"]
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready", "streamlit": "not_configured"}

    assert app.api.state.events == ["started", "stopped"]


def test_the_api_client_goes_through_the_public_mount(app: FluxLit) -> None:
    with api_client(app, settings=Settings(root_path="/tea", api_mount_path="/backend")) as client:
        assert client.get("/address").json() == "http://testserver/tea/backend/address"


@pytest.mark.anyio
async def test_the_async_client_speaks_http_and_websockets(app: FluxLit) -> None:
    async with async_api_client(app) as client:
        assert (await client.get("events")).json() == ["started"]
        socket: httpx_ws.AsyncWebSocketSession
        async with httpx_ws.aconnect_ws("echo", client) as socket:
            await socket.send_text("hello")
            assert await socket.receive_text() == "hello"

    assert app.api.state.events == ["started", "stopped"]


def serve(directory: Path, source: str) -> Path:
    (directory / "app.py").write_text(dedent(source))
    return directory


def test_a_server_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    with run_server("app:app", serve(tmp_path, PLAIN), api_mount_path="/v1") as server:
        answer = httpx.get(f"{server.url}/v1/greeting", trust_env=False, timeout=30)
        assert answer.json() == "hello"
        assert "Uvicorn running" in server.log()
        assert server.process.pid in server.processes()

    assert server.processes() == []


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    broken = serve(tmp_path, "raise LookupError('no such luck')")
    with (
        pytest.raises(ServerError, match=r"(?s)ended with exit code \d+ before it was ready.*no such luck"),
        run_server("app:app", broken),
    ):
        pass


def test_a_server_that_is_not_ready_in_time_is_told_and_ended(tmp_path: Path) -> None:
    slow = serve(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(ServerError, match=r"not ready within 0\.5 s"), run_server("app:app", slow, timeout=0.5):
        pass
    assert not [pid for pid in pids() if str(tmp_path) == cwd(pid)]


def test_a_process_left_behind_is_found_and_ended(tmp_path: Path) -> None:
    leaves = (
        PLAIN
        + "\n    import subprocess, sys\n"
        + ("    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n")
    )
    with (
        pytest.raises(ServerError, match=r"left processes behind: \[\d+\]"),
        run_server("app:app", serve(tmp_path, leaves)) as server,
    ):
        assert len(server.processes()) > 1

    assert server.processes() == []


def test_a_failed_test_ends_the_server(tmp_path: Path) -> None:
    running = run_server("app:app", serve(tmp_path, PLAIN))
    server = running.__enter__()
    assert not running.__exit__(ZeroDivisionError, ZeroDivisionError(), None)

    assert server.processes() == []


def test_a_server_can_be_ended_by_another_signal(tmp_path: Path) -> None:
    with run_server("app:app", serve(tmp_path, PLAIN)) as server:
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL


def test_the_tools_need_neither_pytest_nor_streamlit_to_be_imported() -> None:
    program = "import json, sys, fluxlit.testing; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout

    assert {"pytest", "streamlit", "starlette.testclient"}.isdisjoint(json.loads(output))


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def cwd(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""
