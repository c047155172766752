"""The private listener: what it shows to which client."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fluxlit._internal.asgi import Scope
from fluxlit.errors import FluxLitError
from fluxlit.observability.request_counters import RequestCounters
from fluxlit.server.admin import Admin, AdminServer, Reporter
from fluxlit.settings import Settings, describe, resolve
from tests.gateway.gateway.asking import ask, scope_of

pytestmark = pytest.mark.anyio


def admin(state: str = "ready") -> Admin:
    return Admin(Reporter("workers", lambda: (state, "a reason"), RequestCounters(), target="app:app"))


def asked(path: str, host: str = "127.0.0.1:9100", server: Any = ("127.0.0.1", 9100), **changes: Any) -> Scope:
    return scope_of(path, server=server, **({"headers": [(b"host", host.encode())]} | changes))


async def test_metrics_and_status_are_told_on_this_machine() -> None:
    metrics = await ask(admin(), asked("/metrics"))
    assert metrics.status == 200
    assert metrics.all(b"content-type") == [b"text/plain; version=0.0.4; charset=utf-8"]
    assert b"\nfluxlit_ready 1\n" in metrics.body
    status = (await ask(admin("draining"), asked("/status"))).json()
    assert (status["status"], status["detail"], status["target"]) == ("draining", "a reason", "app:app")


@pytest.mark.parametrize(("state", "ready", "draining"), [("ready", 1, 0), ("starting", 0, 0), ("draining", 0, 1)])
async def test_the_state_is_a_metric(state: str, ready: int, draining: int) -> None:
    body = (await ask(admin(state), asked("/metrics"))).body.decode()
    assert f"\nfluxlit_ready {ready}\n" in body
    assert f"\nfluxlit_draining {draining}\n" in body


async def test_the_settings_in_force_are_told_without_secrets(tmp_path: Path) -> None:
    key, password = "k" * 40, "hunter2"
    environ = {"FLUXLIT_SECRET_KEY": key, "FLUXLIT_SESSION_STORE": f"redis://:{password}@cache/0"}
    resolved = resolve(environ=environ, flags={"gateway_port": 81}, directory=tmp_path)
    reporter = Reporter("workers", lambda: ("ready", ""), RequestCounters(), resolved=resolved)

    answer = await ask(Admin(reporter), asked("/settings"))

    told = answer.json()
    assert told["gateway_port"] == {"value": 81, "source": {"layer": "flag", "where": "--port"}}
    assert told["title"]["source"]["layer"] == "default"
    assert told["secret_key"]["value"] == "***"
    assert told["session_store"]["value"].endswith("@cache/0")
    assert set(told) == set(describe.SETTINGS)
    assert key.encode() not in answer.body
    assert password.encode() not in answer.body


@pytest.mark.parametrize("path", ["/metrics", "/status", "/settings", "/"])
@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("localhost", True),
        ("localhost:9100", True),
        ("127.0.0.1", True),
        ("[::1]:9100", True),
        ("127.8.8.8", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:9100", False),
        ("10.0.0.1", False),
        ("[::1", False),
        ("", False),
    ],
)
async def test_an_attack_a_name_that_resolves_to_this_machine_reads_nothing(path: str, host: str, told: bool) -> None:
    """DNS rebinding: a page in the operator's browser asks under its own name."""
    for server in (("127.0.0.1", 9100), ("::1", 9100), ("/tmp/admin.sock", None), None):
        answer = await ask(admin(), asked(path, host, server))
        assert answer.status == (200 if told else 403)
        assert told or b"fluxlit_" not in answer.body


async def test_two_names_or_none_are_no_name() -> None:
    for headers in ([], [(b"host", b"localhost")] * 2):
        assert (await ask(admin(), asked("/metrics", headers=headers))).status == 403


async def test_to_other_machines_the_metrics_are_told_and_nothing_else() -> None:
    """Under any name by which Prometheus has found them."""
    for path, status in (("/metrics", 200), ("/status", 404), ("/settings", 404), ("/", 404)):
        assert (await ask(admin(), asked(path, "portal.svc:9100", ("10.1.2.3", 9100)))).status == status


async def test_nothing_can_be_changed_and_nothing_else_is_there() -> None:
    refused = await ask(admin(), asked("/status", method="POST"))
    assert (refused.status, refused.all(b"allow")) == (405, [b"GET, HEAD"])
    head = await ask(admin(), asked("/metrics", method="HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert int(head.all(b"content-length")[0]) > 100
    for path in ("/metrics/", "/api/healthz", "/debug", "/..", "//metrics"):
        assert (await ask(admin(), asked(path))).status == 404


async def test_there_are_no_websockets() -> None:
    assert (await ask(admin(), scope_of("/metrics", kind="websocket"))).status == 0


@asynccontextmanager
async def served(private: Path, **settings: Any) -> AsyncIterator[tuple[str, ...]]:
    async with AdminServer(admin(), Settings(**settings), private / "admin.sock").running() as addresses:
        yield addresses


async def get(address: str, path: str) -> tuple[int, bytes]:
    def asking() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX if address.startswith("unix:") else socket.AF_INET)
        connection.sock.settimeout(60)
        if address.startswith("unix:"):
            connection.sock.connect(address.removeprefix("unix:"))
        else:
            connection.sock.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        with response:
            return response.status, response.read()

    return await asyncio.to_thread(asking)


async def test_by_default_it_listens_where_only_this_user_can_ask(tmp_path: Path) -> None:
    async with served(tmp_path) as addresses:
        assert addresses == (f"unix:{tmp_path / 'admin.sock'}",)
        assert stat.S_IMODE((tmp_path / "admin.sock").stat().st_mode) == 0o600
        status, body = await get(addresses[0], "/status")
        assert (status, json.loads(body)["status"]) == (200, "ready")
    assert list(tmp_path.iterdir()) == []


async def test_a_port_and_a_socket_are_added_where_settings_say(tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.sock"
    async with served(tmp_path, admin_port=0, admin_uds=str(fixed), admin_uds_mode="600") as (_, file, port):
        assert file == f"unix:{fixed}"
        assert stat.S_IMODE(fixed.stat().st_mode) == 0o600
        assert port.startswith("http://127.0.0.1:")
        for address in (file, port):
            assert (await get(address, "/metrics"))[0] == 200


async def test_a_taken_port_is_named_with_its_own_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FluxLitError, match=rf"127\.0\.0\.1:{port} is already in use.* admin_port"):
            async with served(tmp_path, admin_port=port, admin_uds=str(tmp_path / "fixed.sock")):
                pass
    assert list(tmp_path.iterdir()) == []
