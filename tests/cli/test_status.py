"""`fluxlit status` shows the running servers, or that there are none."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit.testing import Server, run_server
from tests.cli.command import fluxlit, says, write
from tests.support.processes import clean_environ

pytestmark = pytest.mark.slow

APP = """
from fluxlit import FluxLit

app = FluxLit()


@app.page("/", title="Home")
def home(st):
    st.title("Home")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("project"), APP)


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Server]:
    socket_file = str(project / "admin.sock")
    with run_server("app:app", project, command="run", streamlit_workers=2, admin_uds=socket_file) as running:
        yield running


def test_status_shows_what_runs(project: Path, server: Server) -> None:
    done = fluxlit("status", directory=project)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"app:app is ready (process {server.process.pid}, up ")
    assert lines[1].strip() == server.url
    assert lines[2].strip().startswith("FluxLit 1.0.0, Streamlit ")
    assert lines[3].strip().startswith("0 sessions, 0 WebSockets, ")
    assert lines[3].endswith(", 0 worker restarts")
    assert lines[4].split() == ["worker", "state", "process", "sessions", "restarts", "memory", "up"]
    for number, line in zip("12", lines[5:], strict=True):
        cells = line.split()
        assert cells[:2] == [number, "ready"]
        assert int(cells[2]) in server.processes()
        assert cells[3:5] == ["0", "0"]
    assert max(map(len, lines)) <= 80


def test_the_settings_of_the_running_server_are_shown_with_their_sources(project: Path, server: Server) -> None:
    done = fluxlit("status", "--settings", directory=project, FLUXLIT_TITLE="Of another shell")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert ["setting", "value", "from"] in rows
    assert ["streamlit_workers", "2", "FLUXLIT_STREAMLIT_WORKERS"] in rows
    assert "title" not in [row[0] for row in rows]
    (told,) = json.loads(fluxlit("status", "--settings", "--json", directory=project).stdout)["servers"]
    assert told["settings"]["title"] == {"value": "FluxLit", "source": {"layer": "default", "where": "default"}}


def test_status_as_json_has_a_shape_that_stays(project: Path, server: Server) -> None:
    done = fluxlit("status", "--json", directory=project)
    (told,) = json.loads(done.stdout)["servers"]
    assert set(told) == {
        "status", "detail", "pid", "target", "addresses", "mode", "started_at", "uptime_s", "versions", "sessions",
        "websockets", "requests", "restarts", "workers",
    }  # fmt: skip
    assert set(told["workers"][0]) == {
        "number", "state", "ready", "leaving", "pid", "sessions", "restarts", "kind", "memory_bytes", "started_at",
    }  # fmt: skip
    assert (told["status"], told["pid"], told["mode"]) == ("ready", server.process.pid, "workers")
    assert told["addresses"] == [server.url]
    assert 0 < told["uptime_s"] < 600


def test_from_a_folder_of_another_project_it_is_shown_when_all_are_wanted(tmp_path: Path, server: Server) -> None:
    alone = fluxlit("status", directory=tmp_path)
    says(alone, 1, "No FluxLit server of this project runs.", "elsewhere", "fluxlit status --all")
    everywhere = fluxlit("status", "--all", "--json", directory=tmp_path)
    assert server.process.pid in [each["pid"] for each in json.loads(everywhere.stdout)["servers"]]


def test_without_a_record_the_settings_say_where_to_ask(project: Path, server: Server, tmp_path: Path) -> None:
    """As under another TMPDIR, or in another container that shares the socket."""
    done = fluxlit("status", directory=project, TMPDIR=str(tmp_path), FLUXLIT_ADMIN_UDS=str(project / "admin.sock"))
    assert done.returncode == 0
    assert f"process {server.process.pid}" in done.stdout


def test_a_worker_that_died_is_told(tmp_path: Path) -> None:
    def workers() -> list[dict[str, object]]:
        (told,) = json.loads(fluxlit("status", "--json", directory=tmp_path).stdout)["servers"]
        return list(told["workers"])

    # A server of its own: the others see how often workers were started again.
    with run_server("app:app", write(tmp_path, APP), command="run", streamlit_workers=2):
        victim = workers()[1]["pid"]
        assert isinstance(victim, int)
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while (second := workers()[1]) and not (second["restarts"] == 1 and second["ready"]):
            assert time.monotonic() < deadline, second
        assert second["pid"] not in (victim, None)


def test_a_server_that_hangs_is_told_from_one_that_answers(project: Path, server: Server) -> None:
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        done = fluxlit("status", "--timeout", "0.5", directory=project)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert done.returncode == 1
    assert f"app:app is silent (process {server.process.pid}" in done.stdout
    assert "no response within 0.5 s" in done.stdout


def test_nothing_runs(tmp_path: Path) -> None:
    place = {"TMPDIR": str(tmp_path)}
    says(fluxlit("status", directory=tmp_path, **place), 1, "No FluxLit server of this project runs.", "fluxlit run")
    says(fluxlit("status", "--all", directory=tmp_path, **place), 1, "No FluxLit server of this user runs")
    done = fluxlit("status", "--json", directory=tmp_path, **place)
    assert (done.returncode, json.loads(done.stdout)) == (1, {"servers": []})


def test_a_server_that_is_no_fluxlit_is_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(60)
        done = subprocess.Popen(
            [sys.executable, "-m", "fluxlit_cli", "status", "--timeout", "1"],
            cwd=tmp_path,
            env=clean_environ(TMPDIR=str(tmp_path), FLUXLIT_ADMIN_PORT=str(port)),
            stderr=subprocess.PIPE,
            text=True,
        )
        with listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html")
        _, message = done.communicate(timeout=60)
    assert done.returncode == 1
    assert "No FluxLit server of this project runs." in message
    assert "Traceback" not in message
