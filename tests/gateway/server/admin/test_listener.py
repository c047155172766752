"""The metrics of a real server: what they say is what has happened."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from fluxlit.server.registry import running
from fluxlit.testing import Server, run_server
from tests.support.waiting import until

APP = """
import time

from fastapi import HTTPException

from fluxlit import FluxLit

app = FluxLit()


@app.api.get("/ping")
def ping() -> str:
    return "pong"


@app.api.get("/teapot")
def teapot() -> None:
    raise HTTPException(418)


@app.page("/", title="Home")
def home(st, session):
    session["runs"] = session.get("runs", 0) + 1
    st.title("Home")
"""

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Watched:
    server: Server
    admin: str

    def samples(self) -> Samples:
        text = ask(self.admin, "/metrics").decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The sum over all series that have certain labels."""
        wanted = set(labels.items())
        return sum(value for (each, its), value in self.samples().items() if each == name and wanted <= set(its))

    def status(self) -> Any:
        return json.loads(ask(self.admin, "/status"))

    def get(self, path: str) -> int:
        with http_connection(self.server.url) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status

    def open_page(self, origin: str = "") -> ClientConnection:
        address = f"{self.server.url.replace('http:', 'ws:')}/_stcore/stream"
        streamlit = Subprotocol("streamlit")
        return connect(address, subprotocols=[streamlit], origin=Origin(origin or self.server.url), proxy=None)


def http_connection(url: str) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=60))


def ask(address: str, path: str) -> bytes:
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(address.removeprefix("unix:"))
    connection.request("GET", path, headers={"Connection": "close"})
    response = connection.getresponse()
    with response:
        assert response.status == 200
        return response.read()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    project = tmp_path_factory.mktemp("project")
    (project / "app.py").write_text(APP)
    store = f"sqlite:///{project}/sessions.db"
    with run_server("app:app", project, command="run", streamlit_workers=2, session_store=store) as server:
        record = next(each for each in running() if each.pid == server.process.pid)
        yield Watched(server, record.admin)


def run_page(page: ClientConnection) -> None:
    message = BackMsg()
    message.rerun_script.query_string = ""
    page.send(message.SerializeToString())
    while True:
        data = page.recv(timeout=60)
        assert isinstance(data, bytes)
        if ForwardMsg.FromString(data).WhichOneof("type") == "script_finished":
            return


def test_requests_are_counted_by_route_and_status(watched: Watched) -> None:
    before = watched.samples()
    statuses = [watched.get(path) for path in ("/api/ping", "/api/ping", "/api/teapot", "/", "/api/healthz")]
    assert statuses == [200, 200, 418, 200, 200]
    after = watched.samples()

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0)

    assert grown("fluxlit_http_requests_total", route="api", code="200") == 2
    assert grown("fluxlit_http_requests_total", route="api", code="418") == 1
    assert grown("fluxlit_http_requests_total", route="ui", code="200") == 1
    assert grown("fluxlit_http_requests_total", route="liveness", code="200") == 1
    assert grown("fluxlit_http_request_duration_seconds_count", route="api") == 3
    assert grown("fluxlit_http_response_bytes_total", route="liveness") == len('{"status":"ok"}')
    assert grown("fluxlit_http_requests_active") == 0
    assert sum(v - before.get(k, 0) for k, v in after.items() if k[0] == "fluxlit_upstream_response_seconds_count") == 1


def test_sessions_runs_and_the_store_are_counted_over_all_workers(watched: Watched) -> None:
    runs = watched.value("fluxlit_script_run_duration_seconds_count")
    with watched.open_page() as first, watched.open_page() as second:
        for page in (first, second, second):
            run_page(page)
        until(lambda: watched.value("fluxlit_sessions") == 2, "two sessions")
        samples = watched.samples()
        assert all(("fluxlit_sessions", (("worker", number),)) in samples for number in "12"), "each worker has its own"
        assert watched.value("fluxlit_websockets_open", route="ui") == 2
        assert watched.status()["sessions"] == watched.status()["websockets"] == 2
        until(lambda: watched.value("fluxlit_script_run_duration_seconds_count") == runs + 3, "three runs")
        assert watched.value("fluxlit_session_store_operations_total", store="sqlite", operation="create") >= 2
        assert watched.value("fluxlit_session_store_operation_duration_seconds_count", store="sqlite") >= 2
    until(lambda: watched.value("fluxlit_sessions") == 0, "no session")
    until(lambda: watched.value("fluxlit_websockets_open") == 0, "no WebSocket")
    assert watched.value("fluxlit_websocket_sent_bytes_total", route="ui") > 100


def test_a_refused_handshake_is_counted(watched: Watched) -> None:
    before = watched.value("fluxlit_websocket_handshakes_total", code="403")
    with pytest.raises(InvalidStatus):
        watched.open_page(origin="https://evil.example")
    assert watched.value("fluxlit_websocket_handshakes_total", route="ui", code="403") == before + 1


def test_a_worker_that_was_killed_is_seen_and_its_counts_stay(watched: Watched) -> None:
    with watched.open_page() as page:
        run_page(page)
    runs = watched.value("fluxlit_script_run_duration_seconds_count")
    restarts = watched.value("fluxlit_worker_restarts_total")
    worker = watched.status()["workers"][0]
    os.kill(worker["pid"], signal.SIGKILL)
    until(lambda: watched.value("fluxlit_worker_restarts_total", worker="1") == restarts + 1, "the restart")
    until(lambda: watched.value("fluxlit_worker_ready") == 2, "both workers")
    fresh = watched.status()["workers"][0]
    assert fresh["pid"] != worker["pid"]
    assert (fresh["ready"], fresh["restarts"], fresh["state"]) == (True, 1, "ready")
    assert watched.value("fluxlit_script_run_duration_seconds_count") == runs, "a counter never falls"


def test_the_loops_and_the_processes_are_measured(watched: Watched) -> None:
    until(
        lambda: (
            {
                labels[0][1]
                for (name, labels), value in watched.samples().items()
                if name == "fluxlit_event_loop_delay_seconds_count" and value
            }
            == {"gateway", "worker 1", "worker 2"}
        ),
        "a beat of every loop",
    )
    assert watched.value("process_resident_memory_bytes") > 10_000_000
    assert watched.value("fluxlit_worker_resident_memory_bytes", worker="2") > 10_000_000
    assert watched.value("fluxlit_worker_cpu_seconds_total", worker="2") > 0
    assert 0 < watched.value("process_open_fds") < watched.value("process_max_fds")
    assert abs(watched.value("process_start_time_seconds") - time.time()) < 600


def test_the_public_port_tells_nothing(watched: Watched) -> None:
    for path in ("/metrics", "/status", "/api/metrics", "/_stcore/metrics"):
        with http_connection(watched.server.url) as connection:
            connection.request("GET", path)
            assert b"fluxlit_sessions" not in connection.getresponse().read()


def test_the_socket_is_for_this_user_alone(watched: Watched) -> None:
    socket_file = Path(watched.admin.removeprefix("unix:"))
    assert socket_file.stat().st_mode & 0o077 == 0
    assert socket_file.parent.stat().st_mode & 0o077 == 0
