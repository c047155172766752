"""Forwarding headers are trusted from the configured edge alone."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from fluxlit.testing import Server
from tests.integration.edges.compose import load
from tests.integration.edges.conftest import Applications, upstream
from tests.integration.edges.engines import Edge, browserless, from_address, run_edge, unverified

FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=203.0.113.66;host=evil.example;proto=https",
    "X-Real-IP": "203.0.113.66",
}
PLACES = ("https", "caddy", "traefik", "haproxy")


@pytest.fixture(scope="module")
def trusting(applications: Applications) -> Server:
    """The application as the stacks run it."""
    return applications(load("https").application)


@pytest.fixture(scope="module")
def doubting(applications: Applications) -> Server:
    """The application as it is without the setting."""
    return applications(load("https").application | {"FLUXLIT_TRUST_PROXY": "0"})


@pytest.fixture(scope="module", params=PLACES)
def trusted(
    request: pytest.FixtureRequest, trusting: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """Each edge before the application that trusts it."""
    with run_edge(load(request.param), tmp_path_factory.mktemp("trusted"), upstream(trusting)) as edge:
        yield edge


@pytest.fixture(scope="module", params=PLACES)
def doubted(
    request: pytest.FixtureRequest, doubting: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """Each edge before the application that trusts no proxy."""
    with run_edge(load(request.param), tmp_path_factory.mktemp("doubted"), upstream(doubting)) as edge:
        yield edge


def whoami(api_url: str, address: str = "127.0.0.9", headers: dict[str, str] | None = None) -> dict[str, str]:
    """What the API knows of a caller."""
    with from_address(address) as client:
        seen: dict[str, str] = client.get(f"{api_url}/whoami", headers=headers).json()
        return seen


def page(url: str, address: str = "127.0.0.9", headers: dict[str, str] | None = None) -> list[str]:
    """The lines that the page shows to a visitor."""
    with browserless() as client:
        token = client.get(f"{url}/_stcore/health").cookies["_streamlit_xsrf"]
    connection = websockets.sync.client.connect(
        f"{url.replace('http', 'ws', 1)}/_stcore/stream",
        subprotocols=[websockets.Subprotocol("streamlit"), websockets.Subprotocol(token)],
        origin=websockets.Origin(str(httpx.URL(url).copy_with(path="")).rstrip("/")),
        additional_headers={"Cookie": f"_streamlit_xsrf={token}", **(headers or {})},
        source_address=(address, 0),
        ssl=unverified(url),
        proxy=None,
        open_timeout=60,
    )
    texts: list[str] = []
    request = BackMsg()
    request.rerun_script.query_string = ""
    with connection:
        connection.send(request.SerializeToString())
        while True:
            message = ForwardMsg.FromString(connection.recv(timeout=60, decode=False))
            if message.WhichOneof("type") == "script_finished":
                return texts
            if message.delta.new_element.WhichOneof("type") == "text":
                texts.append(message.delta.new_element.text.body)


@pytest.mark.parametrize("forged", [{}, FORGED], ids=["honest", "forged"])
def test_a_trusted_edge_is_believed_by_the_api(trusted: Edge, forged: dict[str, str]) -> None:
    seen = whoami(trusted.api_url, headers=forged)

    assert seen["client"] == "127.0.0.9"
    assert seen["link"] == f"{trusted.api_url}/download"
    assert trusted.stack.name != "https" or seen["link"].startswith("https:")


@pytest.mark.parametrize("forged", [{}, FORGED], ids=["honest", "forged"])
def test_a_trusted_edge_is_believed_by_pages(trusted: Edge, forged: dict[str, str]) -> None:
    texts = page(trusted.url, headers=forged)

    host = httpx.URL(trusted.origin).netloc.decode()
    assert "Visitor: 127.0.0.9" in texts
    assert f"Way here: 127.0.0.9, 127.0.0.1 by {trusted.stack.scheme} to {host}" in texts
    assert not any("203.0.113.66" in text or "evil" in text for text in texts)


@pytest.mark.parametrize("forged", [{}, FORGED], ids=["honest", "forged"])
def test_without_trust_the_edge_is_all_that_is_known(doubted: Edge, forged: dict[str, str]) -> None:
    seen = whoami(doubted.api_url, headers=forged)
    texts = page(doubted.url, headers=forged)

    host = httpx.URL(doubted.origin).netloc.decode()
    assert seen["client"] == "127.0.0.1"
    assert seen["link"] == f"http://{host}/myapp/api/download"
    assert "Visitor: this machine" in texts
    assert f"Way here: 127.0.0.1 by http to {host}" in texts


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9"])
def test_without_trust_nobody_is_believed_directly_either(doubting: Server, address: str) -> None:
    seen = whoami(doubting.api_url, address, FORGED)
    texts = page(doubting.url, address, FORGED)

    assert seen["client"] == address
    assert seen["link"] == f"{doubting.api_url}/download"
    assert f"Way here: {address} by http to {upstream(doubting)}" in texts
    assert "203.0.113.66" not in json.dumps(seen) + "".join(texts)
    assert "evil" not in json.dumps(seen) + "".join(texts)


def test_whoever_goes_around_the_edge_is_not_believed(trusting: Server) -> None:
    seen = whoami(trusting.api_url, "127.0.0.9", FORGED)
    texts = page(trusting.url, "127.0.0.9", FORGED)

    assert seen["client"] == "127.0.0.9"
    assert seen["link"] == f"{trusting.api_url}/download"
    assert f"Way here: 127.0.0.9 by http to {upstream(trusting)}" in texts


def test_the_edge_itself_is_believed_or_these_tests_prove_nothing(trusting: Server) -> None:
    seen = whoami(trusting.api_url, "127.0.0.1", {"X-Forwarded-For": "203.0.113.66", "X-Forwarded-Proto": "https"})

    assert seen["client"] == "203.0.113.66"
    assert seen["link"].startswith("https://")


def test_http2_ends_at_the_tls_edge(trusting: Server, tmp_path: Path) -> None:
    with run_edge(load("https"), tmp_path, upstream(trusting)) as edge:
        assert negotiated(edge, ["h2", "http/1.1"]) == "h2"
        assert negotiated(edge, ["http/1.1"]) == "http/1.1"


def negotiated(edge: Edge, offered: list[str]) -> str | None:
    """The protocol that the edge chooses (RFC 7301)."""
    context = unverified(edge.url)
    assert context is not None
    context.set_alpn_protocols(offered)
    url = httpx.URL(edge.origin)
    with (
        socket.create_connection((url.host, url.port or 443), timeout=60) as connection,
        context.wrap_socket(connection) as secured,
    ):
        return secured.selected_alpn_protocol()
