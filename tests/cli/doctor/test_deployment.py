"""Every check passes a healthy deployment and finds its fault."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxlit._internal.asgi import Message, Scope
from fluxlit.testing import Server, run_server
from fluxlit_cli.doctor.client import Client
from fluxlit_cli.doctor.deployment import CHECKS, checks_of
from fluxlit_cli.doctor.runner import examine
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding, Status
from tests.cli.command import fluxlit, says
from tests.cli.doctor.edge import Edge, served
from tests.gateway.server.sockets.certificates import make_certificate
from tests.support.processes import ROOT

APP = """
from fluxlit import FluxLit

app = FluxLit()


@app.api.get("/ping")
def ping() -> str:
    return "pong"


@app.page("/", title="Home")
def home(st):
    st.title("Home")
"""
PREFIX = "/apps/portal"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("project")
    (project / "app.py").write_text(APP)
    with run_server("app:app", project, command="run", root_path=PREFIX, trust_proxy=True) as running:
        yield running


@pytest.fixture(scope="module")
def running_edge(server: Server) -> Iterator[Edge]:
    with served(Edge(server.url.removesuffix(PREFIX))) as edge:
        yield edge


@pytest.fixture
def edge(running_edge: Edge) -> Edge:
    running_edge.heal()
    return running_edge


def looked(name: str, client: Client) -> Finding:
    check = next(each for each in checks_of(client, "/api") if each.name == name)
    return examine(check, Subject(None, {}))


def without(*names: bytes) -> Callable[[Scope, Message], Message]:
    def removing(_: Scope, message: Message) -> Message:
        kept = [field for field in message.get("headers", ()) if field[0] not in names]
        return {**message, "headers": kept}

    return removing


def adding(name: bytes, value: bytes) -> Callable[[Scope, Message], Message]:
    return lambda _, message: {**message, "headers": [*message.get("headers", ()), (name, value)]}


def asking(change: Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]]) -> Callable[[Scope], Scope]:
    return lambda scope: {**scope, "headers": change(scope["headers"])}


def replaced(name: bytes, value: bytes) -> Callable[[Scope], Scope]:
    return asking(lambda fields: [(key, value if key == name else old) for key, old in fields])


def dropped(*names: bytes) -> Callable[[Scope], Scope]:
    return asking(lambda fields: [field for field in fields if field[0] not in names])


def answers(part: str, status: int, kind: str = "text/plain", body: str = "no") -> Callable[[Edge], None]:
    def broken(edge: Edge) -> None:
        edge.instead = lambda scope: (status, kind, body) if part in scope["path"] else None

    return broken


def with_(**parts: Any) -> Callable[[Edge], None]:
    def broken(edge: Edge) -> None:
        for name, value in parts.items():
            setattr(edge, name, value)

    return broken


def only_page(status: int, body: str) -> Callable[[Scope], tuple[int, str, str] | None]:
    return lambda scope: (status, "text/html", body) if scope["path"] == f"{PREFIX}/" else None


def no_websockets(scope: Scope) -> tuple[int, str, str] | None:
    return (400, "text/plain", "") if scope["type"] == "websocket" else None


FAULTS: list[tuple[str, str, Status, Callable[[Edge], None]]] = [
    ("url-healthz", "not the report of a FluxLit probe", Status.FAIL, answers("healthz", 200, "text/html", "<html>")),
    ("url-healthz", "returned 500", Status.FAIL, answers("healthz", 500)),
    (
        "url-readyz",
        "503, not_ready: worker 1",
        Status.FAIL,
        answers("readyz", 503, "application/json", '{"status": "not_ready", "detail": "worker 1 is gone"}'),
    ),
    ("url-page", "returned 502", Status.FAIL, with_(instead=only_page(502, "<h1>"))),
    (
        "url-page",
        "not a Streamlit page",
        Status.FAIL,
        with_(instead=only_page(200, "Welcome to nginx!")),
    ),
    ("url-assets", "returned 404", Status.FAIL, answers("/static/", 404)),
    ("url-assets", "text/html", Status.FAIL, answers("/static/", 200, "text/html", "<html>")),
    ("url-assets", "do not cache", Status.WARN, with_(answer=without(b"cache-control"))),
    ("url-compression", "uncompressed", Status.WARN, with_(ask=dropped(b"accept-encoding"))),
    (
        "url-subpath",
        "not a redirect",
        Status.FAIL,
        with_(instead=lambda s: (404, "text/plain", "no") if s["path"] == PREFIX else None),
    ),
    (
        "url-subpath",
        "uses the wrong one",
        Status.FAIL,
        answers("openapi.json", 200, "application/json", '{"servers": [{"url": "/api"}]}'),
    ),
    ("url-websocket", "returned 400", Status.FAIL, with_(instead=no_websockets)),
    (
        "url-websocket",
        "takes the page's own origin",
        Status.FAIL,
        with_(ask=replaced(b"x-forwarded-host", b"10.0.0.7:8000")),
    ),
    (
        "url-websocket",
        "lost its subprotocol",
        Status.FAIL,
        with_(answer=lambda _, m: {**m, "subprotocol": None} if m["type"] == "websocket.accept" else m),
    ),
    ("url-websocket-origin", "pages of other sites", Status.FAIL, with_(ask=dropped(b"origin"))),
    ("url-public-address", "for https, not http", Status.FAIL, with_(ask=replaced(b"x-forwarded-proto", b"https"))),
    ("url-public-address", "10.0.0.7:8000", Status.FAIL, with_(ask=replaced(b"x-forwarded-host", b"10.0.0.7:8000"))),
    ("url-forged-fields", "own name", Status.FAIL, with_(ask=replaced(b"x-forwarded-host", b"stranger.example"))),
    ("url-cookies", "has no HttpOnly", Status.FAIL, with_(answer=adding(b"set-cookie", b"s=1; Path=/"))),
    (
        "url-cookies",
        "has the path /other",
        Status.FAIL,
        with_(answer=adding(b"set-cookie", b"s=1; Path=/other; HttpOnly")),
    ),
    (
        "url-security-headers",
        "x-frame-options",
        Status.WARN,
        with_(answer=without(b"x-frame-options", b"content-security-policy")),
    ),
    ("url-private", "/_stcore/metrics", Status.FAIL, answers("/_stcore/metrics", 200, "text/plain", "sessions 1")),
    ("url-private", "/metrics", Status.FAIL, answers("/metrics", 200, "text/plain", "fluxlit_ready 1")),
    ("url-request-id", "0 request ids", Status.WARN, with_(answer=without(b"x-request-id"))),
    ("url-request-id", "2 request ids", Status.WARN, with_(answer=adding(b"x-request-id", b"edge"))),
]  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_a_healthy_deployment_passes(name: str, edge: Edge) -> None:
    found = looked(name, Client(edge.url + PREFIX, 20))
    expected = Status.SKIP if name == "url-encryption" else Status.PASS
    assert found.status is expected, found.detail


@pytest.mark.parametrize(("name", "detail", "status", "broken"), FAULTS)
def test_each_check_finds_its_fault(
    name: str, detail: str, status: Status, broken: Callable[[Edge], None], edge: Edge
) -> None:
    broken(edge)
    found = looked(name, Client(edge.url + PREFIX, 20))
    assert (found.status, detail in found.detail) == (status, True), found.detail
    assert found.remedy


def test_every_check_is_documented_and_has_a_fault_that_it_finds() -> None:
    page = (ROOT / "docs" / "how-to" / "doctor.md").read_text(encoding="utf-8")
    assert [
        f"| `{name}` | {summary} |" for name, (summary, _) in CHECKS.items() if f"| `{name}` | {summary} |" not in page
    ] == []
    elsewhere = {"url-answers", "url-encryption"}
    assert {name for name, *_ in FAULTS} | elsewhere == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_where_nobody_listens_every_check_says_so(name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        found = looked(name, Client(f"http://localhost:{taken.getsockname()[1]}/portal", 5))
    assert found.status is (Status.SKIP if name == "url-encryption" else Status.FAIL)
    assert name == "url-encryption" or "does not respond" in found.detail


def test_a_refused_connection_is_reported_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        done = fluxlit("doctor", "--url", f"http://127.0.0.1:{taken.getsockname()[1]}", directory=tmp_path)
    assert done.returncode == 1
    first, _, count = done.stdout.splitlines()
    assert first.startswith("FAIL  url-answers  http://127.0.0.1:")
    assert first.endswith("does not respond: Connection refused.")
    assert count == "1 check: 0 passed, 0 warned, 1 failed"


def test_a_deployment_that_is_slow_is_warned_about(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fluxlit_cli.doctor.deployment.SLOW_S", 0.0)
    assert looked("url-answers", Client(edge.url + PREFIX, 20)).status is Status.WARN


def test_a_public_address_without_tls_fails() -> None:
    found = looked("url-encryption", Client("http://portal.example", 5))
    assert found.status is Status.FAIL
    assert "others on the network" in found.detail


def test_tls_is_examined_too(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate; then the same, trusted, about to expire."""
    certificate = make_certificate(tmp_path, "localhost")
    with served(Edge(server.url.removesuffix(PREFIX), scheme="https"), certificate) as edge:
        stranger = looked("url-encryption", Client(edge.url + PREFIX, 20))
        assert stranger.status is Status.FAIL
        assert "the certificate is not valid: self-signed certificate" in stranger.detail
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        client = Client(edge.url + PREFIX, 20)
        expiring = looked("url-encryption", client)
        assert (expiring.status, "valid for 2 more days" in expiring.detail) == (Status.WARN, True), expiring.detail
        assert looked("url-public-address", client).status is Status.PASS
        assert looked("url-websocket", client).status is Status.PASS
        headers = looked("url-security-headers", client)
        assert (headers.status, headers.detail) == (Status.WARN, "missing: strict-transport-security.")
        assert looked("url-cookies", client).status is Status.PASS
        edge.ask = replaced(b"x-forwarded-proto", b"http")
        assert looked("url-public-address", Client(edge.url + PREFIX, 20)).status is Status.FAIL
        edge.heal()
        edge.answer = adding(b"set-cookie", b"s=1; Path=/; HttpOnly")
        insecure = looked("url-cookies", Client(edge.url + PREFIX, 20))
        assert (insecure.status, "s has no Secure" in insecure.detail) == (Status.FAIL, True)


def test_from_the_command_line(edge: Edge, tmp_path: Path) -> None:
    healthy = fluxlit("doctor", "--url", edge.url + PREFIX, "--json", directory=tmp_path)
    document = json.loads(healthy.stdout)
    assert (healthy.returncode, document["status"], document["target"]) == (0, "pass", edge.url + PREFIX)
    assert {check["name"] for check in document["checks"]} == set(CHECKS)
    answers("readyz", 503, "application/json", '{"status": "not_ready", "detail": "draining"}')(edge)
    ill = fluxlit("doctor", "--url", edge.url + PREFIX, "--check", "url-readyz,url-healthz", directory=tmp_path)
    assert ill.returncode == 1
    assert "FAIL  url-readyz" in ill.stdout
    assert ill.stdout.endswith("2 checks: 1 passed, 0 warned, 1 failed\n")
    says(fluxlit("doctor", "--url", "portal.example", directory=tmp_path), 2, "not a URL of the form https://host")
    says(fluxlit("doctor", "--url", edge.url, "--check", "port-free", directory=tmp_path), 2, "no check 'port-free'")
