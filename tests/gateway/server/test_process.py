"""However the server ends, its exit code is true and no process is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from fluxlit.testing import run_server
from tests.support.waiting import until

pytestmark = pytest.mark.slow

APP = """
import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request

from fluxlit import FluxLit


@asynccontextmanager
async def lifespan(api):
    Path("api-started").touch()
    yield {"greeting": "hello"}
    Path("api-stopped").touch()


app = FluxLit(api=FastAPI(lifespan=lifespan))


@app.api.get("/greeting")
def greeting(request: Request) -> str:
    return request.state.greeting


@app.api.get("/slow")
async def slow() -> str:
    Path("slow-begun").touch()
    await asyncio.sleep(1)
    return "done"


@app.page("/")
def home(st, client):
    st.title(client.get("/greeting").json())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


# As NiceGUI's `ui.run_with` looks for the server in its lifespan, and as sse-starlette hooks its exit.
LIBRARIES = """
import asyncio
import gc
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from fluxlit import FluxLit

exiting = asyncio.Event()
exits = uvicorn.Server.handle_exit


def handle_exit(server, number, frame):
    exiting.set()
    exits(server, number, frame)


uvicorn.Server.handle_exit = handle_exit


@asynccontextmanager
async def lifespan(api):
    for server in [each for each in gc.get_objects() if issubclass(type(each), uvicorn.Server)]:
        wrapped = server.config.loaded_app
        while wrapped is not None and wrapped is not api:
            wrapped = getattr(wrapped, "app", None)
        if wrapped is api:
            Path("found").touch()
    yield


api = FastAPI(lifespan=lifespan)


@api.get("/events")
async def events() -> StreamingResponse:
    async def stream():
        yield "begun"
        await exiting.wait()

    return StreamingResponse(stream())


app = FluxLit(api=api)
"""


@pytest.mark.parametrize("api_workers", [0, 1])
def test_libraries_find_the_server_and_hear_of_its_exit(tmp_path: Path, api_workers: int) -> None:
    (tmp_path / "app.py").write_text(LIBRARIES)
    with run_server("app:app", tmp_path, command="run", api_workers=api_workers) as server:
        assert (tmp_path / "found").exists()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{server.api_url}/events", timeout=60) as stream:
            assert stream.read(5) == b"begun"
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 15, "the stream did not end, so its time ran out"


def get(url: str) -> tuple[int, bytes]:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60) as answer:
        return answer.status, answer.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_fluxlit_run_ends_with_0_after_a_signal(project: Path, number: signal.Signals) -> None:
    with run_server("app:app", project, command="run") as server:
        assert get(f"{server.api_url}/greeting") == (200, b'"hello"')
        assert len(server.processes()) >= 2
        assert server.stop(number) == 0
    assert (project / "api-stopped").exists()


@pytest.mark.parametrize("command", ["uvicorn", "run"])
def test_nothing_is_left_after_sigkill(project: Path, command: str) -> None:
    with run_server("app:app", project, command=command) as server:  # type: ignore[arg-type]
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL


# uvicorn has no handler for SIGQUIT, so nothing of the application runs any more.
@pytest.mark.parametrize(("number", "in_order"), [(signal.SIGTERM, True), (signal.SIGQUIT, False)])
def test_uvicorn_ends_by_the_signal_it_got_and_takes_the_worker_along(
    number: signal.Signals, in_order: bool, project: Path
) -> None:
    with run_server("app:app", project) as server:
        assert server.stop(number) == -number
    assert (project / "api-stopped").exists() is in_order


def test_a_request_in_flight_is_finished_before_the_end(project: Path) -> None:
    with run_server("app:app", project, command="run") as server:
        client = subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request as u; print(u.urlopen('{server.api_url}/slow').read())"],
            stdout=subprocess.PIPE,
            env={**os.environ, "no_proxy": "*"},
        )
        until((project / "slow-begun").exists, "the slow request has begun")
        assert server.stop() == 0
        output, _ = client.communicate(timeout=60)
        assert b"done" in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_start_is_interrupted(project: Path, number: signal.Signals) -> None:
    (project / "app.py").write_text(
        "import time\n" + APP + "\nif 'fluxlit.worker' in ' '.join(__import__('sys').orig_argv):\n"
        "    open('worker-imports', 'w').close(); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "fluxlit_cli", "run", "--port", "0"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        until((project / "worker-imports").exists, "the worker has begun to import the application")
        worker = next(
            pid for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")) if parent_of(pid) == process.pid
        )
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == (-number if number == signal.SIGKILL else 0), output.decode()
        assert b"Traceback" not in output
        until(lambda: not Path(f"/proc/{worker}").exists(), "the worker is gone")
    finally:
        process.kill()
        process.wait()


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_an_exception_at_the_start_of_the_api_leaves_nothing_behind(project: Path) -> None:
    (project / "app.py").write_text(APP.replace('Path("api-started").touch()', 'raise RuntimeError("no database")'))
    done = subprocess.run(
        [sys.executable, "-m", "fluxlit_cli", "run", "--port", "0"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "no database" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [line for line in Path("/proc").glob("[0-9]*/cwd") if link(line) == str(project)]


def link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def test_several_uvicorn_workers_are_refused_with_advice(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", "--workers", "2"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "FLUXLIT_STREAMLIT_WORKERS=2" in done.stderr
    assert "FLUXLIT_API_WORKERS=2" in done.stderr
    assert "FLUXLIT_ALLOW_UNIFIED_UVICORN_MULTIWORKER=1" in done.stderr


@pytest.mark.parametrize("target", [["app:app"], ["fluxlit.runtime:create_unified_app", "--factory"]])
def test_a_wrong_setting_stops_the_start_under_uvicorn(target: list[str], project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", *target, "--port", "0"],
        cwd=project,
        env=os.environ | {"FLUXLIT_PORT": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "unknown variable FLUXLIT_PORT; did you mean FLUXLIT_GATEWAY_PORT?" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_factory_serves_the_target_of_the_environment(project: Path) -> None:
    (project / "app.py").rename(project / "portal.py")
    environment = {"FLUXLIT_APP": "portal:app"}
    with run_server(
        "fluxlit.runtime:create_unified_app", project, arguments=["--factory"], environment=environment
    ) as server:
        status, body = get(f"{server.api_url}/readyz")
        assert (status, json.loads(body)) == (200, {"status": "ready", "streamlit": "ok"})


def test_the_object_is_found_under_any_name_in_any_module(project: Path) -> None:
    (project / "package").mkdir()
    (project / "app.py").rename(project / "package" / "portal.py")
    with run_server("package.portal:app", project) as server:
        assert get(f"{server.url}/")[0] == 200
