"""Clients that send nothing, or as little as they can.

Rule 23 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit.proxy import ProxyLimits, ReverseProxy
from fluxlit.server.http.request_head import HttpLimits
from fluxlit.server.serve import configuration
from fluxlit.server.uvicorn_server import AsgiServer, served
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import OK, Client, Peer, answering, get, stage, until
from tests.gateway.proxy.websocket import TEXT, Frame, accepting, connect, echo
from tests.gateway.server.sockets.certificates import make_certificate

pytestmark = pytest.mark.anyio

SHORT_S = 0.3
LATE_S = 20.0

HASTY = HttpLimits(head_time=SHORT_S, body_time=SHORT_S)
HASTY_HEADS = HttpLimits(head_time=SHORT_S)
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"


async def closed(client: Client, began: float) -> bytes:
    """What comes until the server closes, which must be soon after the limit."""
    left = await client.rest()
    assert SHORT_S * 0.9 < time.monotonic() - began < LATE_S
    return left


async def trickle(client: Client, data: bytes, gap: float = SHORT_S / 10) -> None:
    """Send one octet after the other, until it is of no use any more."""
    with contextlib.suppress(ConnectionError):
        for octet in data:
            client.writer.write(bytes([octet]))
            await client.writer.drain()
            await asyncio.sleep(gap)


@pytest.mark.parametrize("used", [False, True], ids=["first request", "later request"])
async def test_rule_23_a_head_that_never_ends_is_408_however_it_trickles(used: bool) -> None:
    """RFC 9110 section 15.5.9.

    Its deadline does not move with each octet, or a few clients could hold every socket.
    """
    script, seen = answering(OK)
    async with stage(script, http_limits=HASTY) as scene:
        client = await scene.client()
        if used:
            assert (await client.ask(get())).status == 200
        sending = asyncio.create_task(trickle(client, b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: " + b"y" * 200))
        began = time.monotonic()
        answer = await client.answer()
        assert (answer.status, answer.all(b"connection")) == (408, [b"close"])
        assert SHORT_S * 0.9 < time.monotonic() - began < LATE_S
        sending.cancel()
    assert len(seen) == used


async def test_rule_23_a_connection_on_which_nothing_is_asked_is_closed_without_an_answer() -> None:
    """There is no request to respond to.

    Browsers open such connections to be quick later.
    """
    script, _ = answering(OK)
    async with stage(script, http_limits=HASTY) as scene:
        began = time.monotonic()
        assert await closed(await scene.client(), began) == b""


@pytest.mark.parametrize("used", [False, True], ids=["before the first request", "after a request"])
async def test_rule_23_empty_lines_keep_no_connection_open(used: bool) -> None:
    """RFC 9112 section 2.2 lets them stand before a request; they are none."""
    script, _ = answering(OK)
    async with stage(script, http_limits=HASTY) as scene:
        client = await scene.client()
        if used:
            assert (await client.ask(get())).status == 200
        began = time.monotonic()
        sending = asyncio.create_task(trickle(client, b"\r\n" * 100))
        assert await closed(client, began) == b""
        sending.cancel()


async def test_rule_23_a_connection_that_is_not_used_again_is_closed() -> None:
    """After the time for keeping connections, which is a setting."""
    script, _ = answering(OK)
    settings = Settings(log_level="critical", gateway_keep_alive_timeout_s=SHORT_S)
    async with stage(script, settings=settings) as scene:
        client = await scene.client()
        assert (await client.ask(get())).status == 200
        assert await closed(client, time.monotonic()) == b""


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
async def test_rule_23_a_body_that_falls_silent_is_408_for_every_application(framing: bytes) -> None:
    """An API that waits for the rest would wait for ever.

    It learns that the client has left.
    """
    ended = asyncio.Event()

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    def instead(_: ReverseProxy) -> Application:
        return patient

    script, _ = answering(OK)
    async with stage(script, http_limits=HASTY, wrap=instead) as scene:
        client = await scene.client()
        began = time.monotonic()
        await client.send(POST + framing)
        answer = await client.answer()
        assert (answer.status, answer.all(b"connection")) == (408, [b"close"])
        assert SHORT_S * 0.9 < time.monotonic() - began < LATE_S
        async with asyncio.timeout(60):
            await ended.wait()


async def test_rule_23_an_upload_that_falls_silent_is_never_completed_upstream() -> None:
    """And its connection to the upstream is cut at once."""
    whole = []

    async def script(peer: Peer) -> None:
        await peer.head()
        whole.append(await peer.rest())

    async with stage(script, http_limits=HASTY) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 10\r\n\r\nabc")
        assert (await client.answer()).status == 408
        await until(lambda: whole)
    assert whole == [b"abc"]


async def test_rule_23_a_body_may_take_as_long_as_it_likes_while_something_comes() -> None:
    """The limit is on silence, not on the whole duration."""
    script, seen = answering(OK)
    async with stage(script, http_limits=HttpLimits(body_time=1, body_rate=4)) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 8\r\n\r\n")
        await trickle(client, b"abcdefgh", 0.15)
        assert (await client.answer()).status == 200
    assert seen[0].body == b"abcdefgh"


@pytest.mark.parametrize("ahead", [0, 100_000], ids=["slow from the start", "quick at first"])
async def test_rule_23_a_body_that_only_trickles_is_408(ahead: int) -> None:
    """One byte now and then would hold a place at the UI for ever.

    Nothing is paid ahead.
    """
    script, seen = answering(OK)
    async with stage(script, http_limits=HttpLimits(body_time=1, body_rate=200)) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * ahead)
        sending = asyncio.create_task(trickle(client, b"y" * 1000, 0.1))
        assert (await client.answer()).status == 408
        sending.cancel()
    assert seen == []


def from_addresses(*addresses: str) -> Callable[[Application], Application]:
    """Each request comes from the next address, by turns."""
    turn = itertools.cycle(addresses)

    def wrap(application: Application) -> Application:
        def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            return application({**scope, "client": (next(turn), 4711)}, receive, send)

        return serve

    return wrap


ONE_CLIENT = pytest.mark.parametrize(
    "addresses", [["192.0.2.1"], [f"2001:db8::{number:x}" for number in range(16)]], ids=["IPv4", "IPv6"]
)


@ONE_CLIENT
async def test_rule_23_slow_uploads_leave_room_for_pages(addresses: list[str]) -> None:
    """They hold half of the turns at most, and one client's an eighth.

    The rest wait, and then get 503. A client has an IPv6 network of 64 bits.
    """

    async def script(peer: Peer) -> None:
        while True:
            await peer.send(OK if (await peer.head()).method == b"GET" else b"")

    limits = ProxyLimits(concurrent=8, queue=0.3)
    async with stage(script, http_limits=HASTY_HEADS, limits=limits, wrap=from_addresses(*addresses)) as scene:
        uploads = [await scene.client() for _ in range(12)]
        for client in uploads:
            await client.send(POST + b"Content-Length: 10\r\n\r\na")
        assert {(await client.answer()).status for client in uploads[1:]} == {503}
        assert (await (await scene.client()).ask(get())).status == 200


@ONE_CLIENT
async def test_rule_23_slow_downloads_leave_room_for_pages(
    addresses: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A client that reads now and then gives its turn back.

    Beyond its part of the slots it is cut off.
    """
    length = 32 * 1024 * 1024

    async def script(peer: Peer) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                if (await peer.head()).target == b"/":
                    await peer.send(OK)
                    continue
                peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + bytes(length))
                await peer.writer.drain()

    limits = ProxyLimits(concurrent=8, queue=LATE_S)
    async with stage(script, limits=limits, wrap=from_addresses(*addresses)) as scene:
        downloads = [await scene.client() for _ in range(8)]
        for client in downloads:
            client.pause()
            await client.send(get("/large"))
        assert (await (await scene.client()).ask(get())).status == 200
        await until(lambda: len([record for record in caplog.records if "slow downloads" in record.message]) == 7)
        assert scene.upstream.active == 1
        for client in downloads:
            client.abort()
        await until(lambda: not scene.upstream.active)


async def test_rule_23_connections_over_the_caps_are_503(caplog: pytest.LogCaptureFixture) -> None:
    """In total; those from this machine have no cap of their own.

    They may be an edge's.
    """
    script, _ = answering(OK)
    settings = Settings(log_level="critical", gateway_max_connections=3, gateway_max_connections_per_address=1)
    async with stage(script, settings=settings) as scene:
        clients = [await scene.client() for _ in range(3)]
        for client in clients:
            assert (await client.ask(get())).status == 200
        answer = await (await scene.client()).answer()
        assert (answer.status, answer.all(b"connection")) == (503, [b"close"])
        clients[0].abort()
        await until(lambda: len(scene.server.server_state.connections) == 2)
        assert (await (await scene.client()).ask(get())).status == 200
    assert [record.message for record in caplog.records if "refused" in record.message] == [
        "Connection refused: 3 are open already (gateway_max_connections)."
    ]


async def test_rule_23_whoever_waits_for_us_is_not_late() -> None:
    """An upstream that reads nothing for a while stops the upload.

    A client with an expectation waits to be asked.
    """
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.pause()
        await go.wait()
        peer.resume()
        message = await peer.request()
        assert len(message.body) == 20_000_000
        await peer.send(OK)

    async def deliberate(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(2.5 * SHORT_S)
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with stage(script, http_limits=HASTY) as scene:
        client = await scene.client()
        client.writer.write(POST + b"Content-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
        await asyncio.sleep(2.5 * SHORT_S)
        go.set()
        assert (await client.answer()).status == 200
    async with stage(script, http_limits=HASTY, wrap=lambda _: deliberate) as scene:
        client = await scene.client()
        assert (await client.ask_head(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")).status == 100
        await client.send(b"abc")
        assert (await client.answer()).status == 204


async def test_rule_23_requests_in_a_row_may_wait_for_the_first() -> None:
    """While two wait for their answers nothing more is read.

    The third is not late by its own fault.
    """

    begun = asyncio.Event()

    async def first_is_slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.sleep(2.5 * SHORT_S if scope["path"] == "/1" else 0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    script, _ = answering(OK)
    async with stage(script, http_limits=HASTY, wrap=lambda _: first_is_slow) as scene:
        client = await scene.client()
        await client.send(get("/1") + get("/2") + get("/3")[:-4])
        await begun.wait()
        await client.send(get("/3")[-4:])
        assert [(await client.answer()).status for _ in range(3)] == [200, 200, 200]


async def test_rule_23_answers_and_websockets_have_no_such_limit() -> None:
    """A request that is there is served as long as it takes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(2.5 * SHORT_S)
        await peer.send(OK)

    async with stage(script, http_limits=HASTY) as scene:
        assert (await (await scene.client()).ask(get())).status == 200
    async with stage(accepting(echo), http_limits=HASTY) as scene:
        wire = await connect(scene)
        await asyncio.sleep(2.5 * SHORT_S)
        await wire.send(Frame(TEXT, b"still here"))
        assert (await wire.message()).data == b"still here"


async def test_rule_23_a_tls_handshake_that_is_not_finished_is_cut(tmp_path: Path) -> None:
    """As long as a head may take; asyncio's own limit is a minute."""
    certificate, key = make_certificate(tmp_path, "one")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def nobody(scope: Scope, receive: Receive, send: Send) -> None: ...

    config = configuration(nobody, Settings(log_level="critical"))
    config.load()
    config.ssl = context
    server = AsgiServer(config, handshake_s=SHORT_S)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await served(server, serving)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
    began = time.monotonic()
    assert await closed(Client(reader, writer), began) == b""
    writer.close()
    server.should_exit = True
    await serving
