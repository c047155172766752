"""Limits and their answers.

Rules 19, 23 and 24 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest

from fluxlit.proxy import Address, ProxyLimits, ReverseProxy, Upstream
from fluxlit.server.http.request_head import HttpLimits
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import DEADLINE, OK, Message, Peer, answering, get, post, stage, until
from tests.gateway.proxy.websocket import accepting, echo, handshake

pytestmark = pytest.mark.anyio

POST = b"POST / HTTP/1.1\r\nHost: h\r\n"


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


async def test_rule_19_a_body_that_says_it_is_too_long_is_refused_before_anything_is_sent_upstream() -> None:
    """RFC 9110 section 15.5.14.

    413 by Content-Length, and the client may finish or leave.
    """
    script, _ = answering(OK)
    async with stage(script, limits=ProxyLimits(body=1000)) as scene:
        client = await scene.client()
        answer = await client.ask(post(b"x" * 1001))
        assert (answer.status, scene.connections) == (413, [])
        assert answer.all(b"connection") == [b"close"]
        assert (await (await scene.client()).ask(post(b"x" * 1000))).status == 200


@pytest.mark.usefixtures("unhurried")
async def test_rule_19_a_client_that_uploads_on_still_reads_its_413() -> None:
    """RFC 9112 section 9.6.

    Closing at once would reset the connection and take the response away.
    """
    script, _ = answering(OK)
    async with stage(script, limits=ProxyLimits(body=1000)) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 20000000\r\n\r\n")
        await client.send(b"x" * 20_000_000)
        assert (await client.answer()).status == 413


async def test_rule_19_with_an_expectation_the_413_comes_instead_of_a_100() -> None:
    """RFC 9110 section 10.1.1."""
    script, _ = answering(OK)
    async with stage(script, limits=ProxyLimits(body=1000)) as scene:
        client = await scene.client()
        answer = await client.ask(POST + b"Content-Length: 2000\r\nExpect: 100-continue\r\n\r\n")
        assert (answer.status, answer.all(b"connection")) == (413, [b"close"])
        assert await client.rest() == b""


async def test_rule_19_a_chunked_body_is_refused_when_it_passes_the_limit() -> None:
    """And what had been sent upstream is cut, not completed."""
    whole = []

    async def script(peer: Peer) -> None:
        whole.append(await peer.request())

    async with stage(script, limits=ProxyLimits(body=1000)) as scene:
        client = await scene.client()
        await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n" + b"x" * 500 + b"\r\n")
        await until(lambda: scene.connections)
        await client.send(b"1f5\r\n" + b"x" * 501 + b"\r\n")
        await client.send(b"0\r\n\r\n")
        assert (await client.answer()).status == 413
        await scene.connections[0].gone()
    assert whole == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X%d: y\r\n" % number for number in range(300)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nCookie: " + b"y" * 15_000 + b"\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X%d: y\r\n" % number for number in range(100)) + b"\r\n", 200),
    ],
)
async def test_rule_19_heads_have_limits(head: bytes, status: int) -> None:
    """RFC 9110 section 15.5.15 and RFC 6585 section 5."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(head)
    assert (answer.status, len(seen)) == (status, status == 200)


async def test_rule_19_what_came_before_a_head_does_not_count_as_part_of_it() -> None:
    """The end of a body and the next head often arrive in one read."""
    script, seen = answering(OK, OK)
    async with stage(script) as scene:
        client = await scene.client()
        body = b"b" * 200_000
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + body + b"GET / HTT")
        assert (await client.answer()).status == 200
        await client.send(b"P/1.1\r\nHost: h\r\n\r\n")
        assert (await client.answer()).status == 200
    assert len(seen) == 2


@pytest.mark.parametrize(("start", "status"), [(b"GET /", 414), (b"GET / HTTP/1.1\r\nHost: h\r\nX: ", 431)])
async def test_rule_19_a_head_without_end_is_not_collected(start: bytes, status: int) -> None:
    """One that trickles in is refused as soon as it is over the limit."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        await client.send(start)
        for _ in range(66):
            await client.send(b"y" * 1000)
            await asyncio.sleep(0.001)
        assert (await client.answer()).status == status
    assert seen == []


@pytest.mark.parametrize(
    "rest",
    [b"0\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"1;" + b"x" * 40_000 + b"\r\na\r\n0\r\n\r\n"],
    ids=["trailers", "chunk extensions"],
)
async def test_rule_19_what_is_no_body_shares_one_limit_in_a_message(rest: bytes) -> None:
    """Half of the limit in the headers and half of it after them.

    Together they are too much, alone they are not.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        coding = b"Transfer-Encoding: chunked\r\n"
        alone = await (await scene.client()).ask(POST + coding + b"\r\n" + rest)
        together = await (await scene.client()).ask(POST + coding + b"Y: " + b"y" * 40_000 + b"\r\n\r\n" + rest)
    assert (alone.status, together.status, len(seen)) == (200, 431, 1)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["Cookie: " + "y" * 15_000], 101),
        ([f"X{number}: y" for number in range(200)], 101),
        (["Cookie: " + "y" * 70_000], 431),
        ([f"X{number}: y" for number in range(300)], 431),
    ],
    ids=["a large header", "many headers", "too large", "too many"],
)
async def test_rule_19_handshakes_of_websockets_have_the_same_limits(
    fields: list[str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A handshake over a limit of the library never got a response.

    Login cookies easily are.
    """
    caplog.set_level("INFO", "fluxlit.http")
    seen: list[Message] = []
    async with stage(accepting(echo, seen=seen)) as scene:
        client = await scene.client()
        assert (await client.ask_head(handshake(*fields))).status == status
    assert len(seen) == (status == 101)
    refusals = [record.message for record in caplog.records if "refused" in record.message]
    assert refusals == ([] if status == 101 else [f"Request refused: 431 {HTTPStatus(431).phrase}"])


async def test_refusals_of_the_server_itself_have_one_date_and_end_the_connection() -> None:
    """RFC 9110 section 6.6.1: a server with a clock sends when it refused."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        for request in (b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n"):
            answer = await (await scene.client()).ask(request)
            assert (len(answer.all(b"date")), answer.all(b"connection")) == (1, [b"close"])
    assert seen == []


async def test_rule_24_nobody_listening_is_502() -> None:
    """RFC 9110 section 15.6.3. The response names neither address nor cause."""

    async def script(peer: Peer) -> None: ...

    nowhere = Upstream(Address.unix("/nonexistent/secret.sock"))
    async with stage(script, wrap=lambda _: ReverseProxy(nowhere)) as scene:
        answer = await (await scene.client()).ask(get("/", "X-Request-ID: abc"))
    assert (answer.status, answer.all(b"cache-control")) == (502, [b"no-store"])
    assert b"secret" not in answer.body
    assert b"Request abc." in answer.body


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Len"])
async def test_rule_24_an_upstream_that_hangs_up_before_it_answered_is_502(part: bytes) -> None:
    """RFC 9110 section 15.6.3."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(part)
        peer.abort()

    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask(get())).status == 502
        assert (await client.ask(post(b"abc"))).status == 502, "the client's connection goes on"


async def test_rule_23_an_upstream_that_does_not_accept_in_time_is_504() -> None:
    """RFC 9110 section 15.6.5: connecting has a limit of its own."""

    async def script(peer: Peer) -> None: ...

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        slow = Upstream(Address("127.0.0.1", port), limits=ProxyLimits(connect=0.2))
        async with stage(script, wrap=lambda _: ReverseProxy(slow)) as scene:
            answer = await (await scene.client()).ask(get())
        for filler in fillers:
            filler.close()
    assert answer.status == 504


async def test_rule_23_an_upstream_that_is_silent_is_504() -> None:
    """RFC 9110 section 15.6.5; its connection is cut."""
    async with stage(silent, limits=ProxyLimits(read=0.2)) as scene:
        client = await scene.client()
        began = time.monotonic()
        assert (await client.ask(get())).status == 504
        assert 0.15 < time.monotonic() - began < 20
        await scene.connections[0].gone()


async def test_rule_23_an_upstream_that_falls_silent_in_its_answer_cuts_the_client() -> None:
    """There is no status for it any more."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await peer.gone()

    async with stage(script, limits=ProxyLimits(read=0.2)) as scene:
        client = await scene.client()
        await client.send(get())
        assert (await client.rest()).endswith(b"abc")


async def test_rule_23_a_client_that_stops_uploading_is_408() -> None:
    """RFC 9110 section 15.5.9: it is not the upstream that is late."""
    async with stage(silent, limits=ProxyLimits(read=0.2)) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 10\r\n\r\nabc")
        answer = await client.answer()
    assert (answer.status, answer.all(b"connection")) == (408, [b"close"])


async def test_rule_24_too_many_at_once_wait_a_bounded_time_and_then_get_503() -> None:
    """RFC 9110 section 15.6.4, with Retry-After."""
    free = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await free.wait()
        await peer.send(OK)

    limits = ProxyLimits(concurrent=2, queue=0.3)
    async with stage(script, limits=limits) as scene:
        first, second, third, fourth = [await scene.client() for _ in range(4)]
        await first.send(get())
        await second.send(get())
        await until(lambda: len(scene.connections) == 2)
        answer = await third.ask(get())
        assert (answer.status, answer.all(b"retry-after")) == (503, [b"1"])
        scene.upstream.limits = replace(limits, queue=DEADLINE)
        await fourth.send(get())
        free.set()
        assert [(await client.answer()).status for client in (first, second, fourth)] == [200, 200, 200]


async def test_a_turn_is_given_back_whatever_ends_an_exchange() -> None:
    """Otherwise the proxy would starve in the end."""

    async def script(peer: Peer) -> None:
        if (await peer.request()).target == b"/die":
            peer.abort()
        else:
            await peer.send(OK)

    async with stage(script, limits=ProxyLimits(concurrent=1, queue=DEADLINE)) as scene:
        for _ in range(5):
            client = await scene.client()
            assert (await client.ask(get("/die"))).status == 502
            leaving = await scene.client()
            await leaving.send(POST + b"Content-Length: 5\r\n\r\nab")
            leaving.abort()
            assert (await client.ask(get())).status == 200
        client = await scene.client()
        assert (await client.ask(get())).status == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"x" * 1100 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 5000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X%d:\r\n" % number for number in range(260)) + b"\r\n", 431),
        (b"GET /" + b"x" * 1000 + b" HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 2000 + b"\r\n\r\n", 200),
    ],
)
async def test_rule_19_the_limits_of_heads_follow_a_setting(head: bytes, status: int) -> None:
    """RFC 9110 section 15.5.15 and RFC 6585 section 5."""
    settings = Settings(log_level="critical", gateway_max_request_head_bytes=4096)
    script, _ = answering(OK)
    async with stage(script, settings=settings) as scene:
        assert (await (await scene.client()).ask(head)).status == status


FLOOD = 20_000_000


async def flood(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % FLOOD)
    peer.writer.write(b"x" * FLOOD)
    await peer.gone()


# Under uvicorn alone the proxy looks after its turns; in front of it the connection itself has a limit.
SERVERS: dict[str, dict[str, Any]] = {
    "fluxlit": {"http_limits": HttpLimits(send=0.4)},
    "uvicorn": {"limits": ProxyLimits(concurrent=1, send=0.4), "http": "httptools"},
}


@pytest.mark.parametrize("server", SERVERS)
async def test_rule_20_a_client_that_reads_nothing_gives_its_turn_back(server: str) -> None:
    """A turn that is never given back would starve the others in the end."""
    arguments = {"limits": ProxyLimits(concurrent=1), **SERVERS[server]}
    async with stage(flood, **arguments) as scene:
        reader = await scene.client(limit=1024)
        reader.pause()
        began = time.monotonic()
        await reader.send(get())
        await until(lambda: scene.connections)  # a busy system may deliver the other's request first
        other = await scene.client()
        assert (await other.ask_head(get())).status == 200
        assert time.monotonic() - began > 0.3
        other.abort()


async def test_rule_20_a_client_that_reads_slowly_is_served_to_the_end() -> None:
    """The limit is on standing still, not on the whole duration."""
    async with stage(flood, limits=ProxyLimits(send=1), http_limits=HttpLimits(send=1)) as scene:
        client = await scene.client()
        head = await client.ask_head(get())
        length = int(head.all(b"content-length")[0])
        while length:
            client.resume()
            length -= len(await client.reader.readexactly(min(length, 2_500_000)))
            client.pause()
            await asyncio.sleep(0.15)
        assert length == 0


async def test_rule_20_a_connection_whose_last_answer_nobody_reads_is_cut() -> None:
    """Closing it waits for the client, which may be for ever."""
    script, _ = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000)
    async with stage(script, http_limits=HttpLimits(send=0.4), timeout_keep_alive=0.2) as scene:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.setblocking(False)
        with raw:
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", scene.port))
            await until(lambda: scene.server.server_state.connections)
            for connection in scene.server.server_state.connections:
                given = connection.transport.get_extra_info("socket")
                given.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
            await asyncio.get_running_loop().sock_sendall(raw, get())
            await until(lambda: scene.connections)
            await until(lambda: not scene.server.server_state.connections, within=60)
