"""The same application behind each edge, for browsers and programs."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import time
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from playwright.sync_api import Page, expect

from tests.integration.edges.engines import Edge, browserless, from_address, refused_upload, smoke_test, unverified
from tests.support.chromium import Visitor
from tests.support.documentation import documented

# --- in a browser


@pytest.mark.browser
def test_a_page_appears_a_click_runs_it_again_and_it_takes_and_gives_files(
    edge: Edge, window: Visitor, tmp_path: Path
) -> None:
    window.visit(edge.url or edge.origin)  # the bare prefix, as people type it

    expect(window.heading("Behind an edge")).to_be_visible()
    expect(window.page).to_have_url(f"{edge.url}/")
    expect(window.page.get_by_text(f"Address: {edge.url}")).to_be_visible()
    own_view = re.compile(rf"API as the page sees it: {edge.stack.scheme}://[^/]+{edge.stack.prefix}/api/whoami$")
    expect(window.page.get_by_text(own_view)).to_be_visible()
    window.page.get_by_role("button", name="Count").click()
    expect(window.page.get_by_text("Clicks: 1")).to_be_visible()

    file = tmp_path / "scan.bin"
    file.write_bytes(os.urandom(3_000_000))
    window.page.locator("input[type=file]").set_input_files(file)

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    expect(window.page.get_by_text(f"scan.bin: 3000000 bytes, sha256 {digest}")).to_be_visible()
    with window.page.expect_download() as download:
        window.page.get_by_role("button", name="Save").click()
    assert download.value.suggested_filename == "saved.bin"
    assert Path(download.value.path()).read_bytes() == b"y" * 3_000_000


@pytest.mark.browser
def test_pages_have_addresses_to_link_to_and_to_refresh(edge: Edge, window: Visitor) -> None:
    window.visit(f"{edge.url}/second?tea=assam")
    expect(window.heading("The second page")).to_be_visible()
    expect(window.page.get_by_text("Query: {'tea': 'assam'}")).to_be_visible()

    window.page.reload()
    window.settle()
    expect(window.heading("The second page")).to_be_visible()
    expect(window.page).to_have_url(f"{edge.url}/second?tea=assam")

    window.follow("Home")
    expect(window.page).to_have_url(f"{edge.url}/")
    window.page.go_back()
    expect(window.heading("The second page")).to_be_visible()


@pytest.mark.browser
def test_the_documentation_tries_the_api_out(edge: Edge, window: Visitor) -> None:
    operation = documented(window.page, f"{edge.url}/docs", "whoami_whoami_get")  # leads on to the API's
    operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table tbody")
    expect(answer.locator(".response-col_status").first).to_contain_text("200")
    expect(answer).to_contain_text(f"{edge.api_url}/download")
    expect(operation.locator(".request-url")).to_contain_text(f"{edge.api_url}/whoami")
    expect(window.page).to_have_url(re.compile(rf"{edge.api_url}/docs"))


@pytest.mark.browser
def test_a_browser_gets_events_one_by_one(edge: Edge, window: Visitor) -> None:
    window.page.goto(f"{edge.api_url}/healthz")
    sent, arrived = events_in(window.page, f"{edge.api_url}/events?count=4")

    assert len(sent) == 4
    assert all(arrival < next_one for arrival, next_one in zip(arrived, sent[1:], strict=False))


def events_in(page: Page, url: str) -> tuple[list[int], list[int]]:
    """Milliseconds at which four events were sent and received."""
    pairs: list[list[int]] = page.evaluate(
        """(url) => new Promise((resolve) => {
            const source = new EventSource(url), pairs = [];
            source.onmessage = (event) => {
                pairs.push([Number(event.data), Date.now()]);
                if (pairs.length === 4) { source.close(); resolve(pairs); }
            };
            source.onerror = () => { source.close(); resolve(pairs); };
        })""",
        url,
    )
    return [sent for sent, _ in pairs], [arrived for _, arrived in pairs]


# --- from a program


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "streamlit": "ok"}


def test_a_stream_of_any_type_arrives_in_pieces(client: httpx.Client) -> None:
    with client.stream("GET", "/events", params={"count": 3, "media_type": "text/plain"}) as response:
        pieces = [(float(piece.removeprefix("data: ")), time.time() * 1000) for piece in response.iter_text()]

    assert len(pieces) == 3
    assert all(arrived < sent for (_, arrived), (sent, _) in itertools.pairwise(pieces))


def test_large_bodies_pass_both_ways(client: httpx.Client) -> None:
    body = b"0123456789abcdef" * (3_000_000 // 16)
    digest = hashlib.sha256(body).hexdigest()

    assert client.put("/upload", content=body).json() == {"bytes": len(body), "sha256": digest}
    assert len(client.get("/download", params={"size": 3_000_000}).content) == 3_000_000


def test_an_upload_that_is_refused_does_not_harm_the_next_request(edge: Edge, tmp_path: Path) -> None:
    for _ in range(4):
        assert refused_upload(edge, tmp_path) == ["refused", "200"]


def test_a_body_of_unknown_length_passes(client: httpx.Client) -> None:
    pieces = [b"a" * 1000, b"b" * 100_000, b"c"]

    assert client.put("/upload", content=iter(pieces)).json()["bytes"] == 101_001


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/items/a%2Fb", "a/b"),
        ("/items/a%3Fb%23c", "a?b#c"),
        ("/items/100%25", "100%"),
        ("/items/a;b=c", "a;b=c"),
        ("/items/gr%C3%B6%C3%9Fe%20x", "größe x"),
        ("/items/a+b", "a+b"),
    ],
)
def test_a_path_arrives_as_it_was_written(edge: Edge, client: httpx.Client, path: str, name: str) -> None:
    answer = client.get(f"{path}?q=%2F")

    assert answer.json() == {"name": name, "path": f"{edge.stack.prefix}/api{path}"}


def test_the_bare_prefix_leads_to_the_page_and_nothing_else_is_there(edge: Edge, client: httpx.Client) -> None:
    answer = client.get(f"{edge.url}?a=b")
    if not edge.stack.prefix:
        assert answer.status_code == 200
        return

    assert answer.status_code in {301, 307, 308}
    assert answer.next_request is not None
    assert str(answer.next_request.url) == f"{edge.url}/?a=b"
    assert client.get(f"{edge.url}x/api/healthz").status_code == 404
    assert client.get(f"{edge.origin}/api/healthz").status_code == 404


def test_a_path_cannot_leave_the_prefix(edge: Edge) -> None:
    with browserless() as client:
        request = client.build_request("GET", edge.origin)
        for path in (b"/x/../..", b"/x/%2e%2e"):
            request.url = request.url.copy_with(raw_path=path + edge.stack.prefix.encode() + b"/api/whoami")
            answer = client.send(request)
            assert answer.status_code in {200, 301, 308, 400, 404}
            if answer.status_code == 200:
                assert answer.json()["path"] == f"{edge.stack.prefix}/api/whoami"


def test_a_trailing_slash_does_not_lose_the_prefix(edge: Edge, client: httpx.Client) -> None:
    answer = client.get(f"{edge.url}/second/")

    assert answer.next_request is not None
    assert str(answer.next_request.url) == f"{edge.url}/second"


def test_openapi_names_the_public_path(edge: Edge, client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["servers"] == [{"url": f"{edge.stack.prefix}/api"}]


def test_the_application_knows_address_and_client(edge: Edge) -> None:
    with from_address("127.0.0.9") as client:
        seen = client.get(f"{edge.api_url}/whoami").json()

    assert seen["client"] == "127.0.0.9"
    assert seen["url"] == f"{edge.api_url}/whoami"
    assert seen["link"] == f"{edge.api_url}/download"


def without_what_varies(headers: list[list[str]]) -> list[list[str]]:
    return [pair for pair in headers if pair[0] not in {"connection", "x-request-id", "traceparent"}]


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Forwarded-For": "203.0.113.66"},
        {"X-Forwarded-For": "127.0.0.1, 127.0.0.1"},
        {"Forwarded": "for=203.0.113.66;host=evil.example;proto=https"},
        {"X-Real-IP": "203.0.113.66", "True-Client-IP": "203.0.113.66", "CF-Connecting-IP": "203.0.113.66"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "666", "X-Forwarded-Proto": "ftp"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil"},
        {"X_Forwarded_For": "203.0.113.66", "X_Forwarded_Host": "evil.example"},
        {"Connection": "X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto", "X-Forwarded-For": "203.0.113.66"},
        {"Remote-User": "root", "X-Forwarded-User": "root", "X-Auth-Request-Email": "root@evil.example"},
    ],
    ids="+".join,
)
def test_nothing_forged_gets_through(edge: Edge, forged: dict[str, str]) -> None:
    with from_address("127.0.0.9") as client:
        honest = client.get(f"{edge.api_url}/whoami").json()
        seen = client.get(f"{edge.api_url}/whoami", headers=forged).json()

    assert seen["client"] == "127.0.0.9"
    assert seen["link"] == f"{edge.api_url}/download"
    assert without_what_varies(seen["headers"]) == without_what_varies(honest["headers"])


def test_a_forged_port_does_not_get_into_links(edge: Edge, client: httpx.Client) -> None:
    seen = client.get("/whoami", headers={"Host": "tea.example", "X-Forwarded-Port": "666"}).json()

    assert seen["link"] == f"{edge.stack.scheme}://tea.example{edge.stack.prefix}/api/download"


def test_a_websocket_of_the_api_sends_messages_back(edge: Edge) -> None:
    address = f"{edge.api_url.replace('http', 'ws', 1)}/echo"
    with websockets.sync.client.connect(address, ssl=unverified(address), proxy=None, open_timeout=60) as socket:
        for message in ("", "größe", "x" * 200_000):
            socket.send(message)
            assert socket.recv(timeout=60) == message


def test_the_smoke_test_is_content(edge: Edge) -> None:
    done = smoke_test(edge)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert done.stdout.count("\nok ") >= 16
    assert ("ok    HTTP/2" in done.stdout) == (edge.stack.name == "https")
