"""What the gateway itself sends in a tunnel, and hostile peers."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from contextlib import suppress
from typing import Any

import pytest

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.unfinished_messages import UnfinishedMessages
from fluxlit._internal.websocket_tunnel import TUNNEL
from fluxlit.auth.contract import User
from fluxlit.auth.live_connections import Connection
from fluxlit.observability.middleware import ObservabilityMiddleware
from fluxlit.proxy import ProxyLimits, ReverseProxy
from fluxlit.server.websocket import protocol, tunnel
from fluxlit.server.websocket.tunnel import End, Tunnel
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import Message, Peer, Stage, stage, until
from tests.gateway.proxy.websocket import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    WAYS,
    Frame,
    Wire,
    accept,
    accepting,
    close,
    collect,
    connect,
    echo,
    handshake,
    until_close,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


PROMPT = ProxyLimits(ws_close=0.5)


def stop(scene: Stage) -> None:
    """Close every connection as a server does that stops."""
    for connection in list(scene.server.server_state.connections):
        connection.shutdown()


LONG = Frame(BINARY, b"x" * 3000).bytes(mask=False)


async def test_a_close_frame_waits_for_the_end_of_the_frame_that_is_under_way() -> None:
    """The browser gets the frame whole, then 1012, and nothing after it."""
    seen: list[Frame] = []
    stopped = asyncio.Event()

    async def play(wire: Wire) -> None:
        await wire.end.send(LONG[:1000])
        await stopped.wait()
        await wire.end.send(LONG[1000:2999])
        await asyncio.sleep(0)
        await wire.end.send(LONG[2999:] + Frame(TEXT, b"late").bytes(mask=False))
        await collect(wire, seen)

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        start = await wire.end.reader.readexactly(1000)
        stop(scene)
        stopped.set()
        assert start + await wire.end.reader.readexactly(len(LONG) - 1000) == LONG
        assert (await wire.frame()).code == 1012
        assert await wire.end.rest() == b""
        await until(lambda: seen)
    assert seen[0].code == 1012


async def test_an_upstream_that_cannot_get_its_frame_whole_gets_no_close_frame_into_it() -> None:
    """A browser leaves in the middle of a frame.

    The upstream sees a connection that broke.
    """
    left = asyncio.Event()
    rest: list[bytes] = []

    async def play(wire: Wire) -> None:
        await wire.end.reader.readexactly(1000)
        left.set()
        rest.append(await wire.end.rest())

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        await wire.end.send(Frame(BINARY, b"x" * 3000).bytes(mask=True)[:1000])
        await left.wait()
        wire.end.abort()
        await until(lambda: rest)
    assert rest == [b""]


async def test_a_browser_that_cannot_get_its_frame_whole_is_cut() -> None:
    """The upstream dies in the middle of a frame."""

    async def play(wire: Wire) -> None:
        await wire.end.send(LONG[:1000])

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        assert await wire.end.rest() == LONG[:1000]


async def test_frames_before_the_handshake_is_over_arrive_in_both_directions() -> None:
    """A client should not send any, a server may at once.

    RFC 6455 section 4.1.
    """
    received: list[Frame] = []

    async def script(peer: Peer) -> None:
        request = await peer.head()
        wire = Wire(peer, mask=False)
        await peer.send(accept(request) + Frame(TEXT, b"hello").bytes(mask=False) + LONG[:5])
        await peer.send(LONG[5:])
        received.extend([await wire.frame(), await wire.frame()])

    early = Frame(TEXT, b"early").bytes(mask=True)
    async with stage(script) as scene:
        client = await scene.client()
        await client.send(handshake() + early + early[:1])
        assert (await client.head()).status == 101
        await client.send(early[1:])
        wire = Wire(client, mask=True)
        assert (await wire.frame()).data == b"hello"
        assert await wire.frame() == Frame(BINARY, b"x" * 3000)
        await until(lambda: len(received) == 2)
    assert [frame.data for frame in received] == [b"early", b"early"]


OFFER = "Sec-WebSocket-Extensions: x-other, permessage-deflate; client_max_window_bits"
AGREED = b"permessage-deflate; client_max_window_bits=12"


async def test_browser_and_upstream_agree_on_compression_where_it_is_on() -> None:
    """Compressed frames pass as they are.

    Other extensions are not offered.
    """
    seen: list[Message] = []
    upstream = accepting(echo, b"Sec-WebSocket-Extensions: " + AGREED, seen=seen)
    settings = Settings(log_level="critical", gateway_ws_compression=True)
    async with stage(upstream, limits=ProxyLimits(ws_compression=True), settings=settings) as scene:
        client = await scene.client()
        answer = await client.ask_head(handshake(OFFER))
        assert answer.all(b"sec-websocket-extensions") == [AGREED]
        wire = Wire(client, mask=True)
        await wire.send(Frame(BINARY, b"squeezed", rsv=4))
        assert await wire.frame() == Frame(BINARY, b"squeezed")
    assert seen[0].all(b"sec-websocket-extensions") == [b"permessage-deflate; client_max_window_bits"]


@pytest.mark.parametrize("offer", [OFFER, "X-Other: 1"], ids=["not accepted", "not offered"])
async def test_without_an_agreement_nothing_may_be_compressed(offer: str) -> None:
    settings = Settings(log_level="critical", gateway_ws_compression=True)
    limits = ProxyLimits(ws_compression=True, ws_close=0.2)
    async with stage(accepting(echo), limits=limits, settings=settings) as scene:
        client = await scene.client()
        answer = await client.ask_head(handshake(offer))
        assert answer.all(b"sec-websocket-extensions") == []
        wire = Wire(client, mask=True)
        await wire.send(Frame(BINARY, b"squeezed", rsv=4))
        assert (await wire.frame()).code == 1002


async def test_an_upstream_that_masks_is_no_websocket_server() -> None:
    """RFC 6455 section 5.1: 1002 for both, and nothing of the frame passes."""
    seen: list[Frame] = []

    async def play(wire: Wire) -> None:
        await wire.end.send(Frame(TEXT, b"x").bytes(mask=True))
        await collect(wire, seen)

    async with stage(accepting(play)) as scene:
        assert (await (await connect(scene)).frame()).code == 1002
        await until(lambda: seen)
    assert seen[0].code == 1002


async def test_a_message_before_a_broken_frame_is_still_answered() -> None:
    """As by a server that finds the fault itself.

    Its response comes before its Close frame.
    """

    async def play(wire: Wire) -> None:
        message = await wire.message()
        assert (await wire.frame()).code == 1002
        await wire.send(message, close(1002))

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        await wire.send(Frame(TEXT, b"good"), Frame(3, b"bad"))
        assert (await wire.frame()).data == b"good"
        assert (await wire.frame()).code == 1002


async def test_an_upstream_that_answers_a_broken_frame_with_silence_delays_nothing_for_long() -> None:
    """The closing handshake has a limit, and the browser reads why."""

    async def play(wire: Wire) -> None:
        await wire.end.rest()

    async with stage(accepting(play), limits=ProxyLimits(ws_close=0.2)) as scene:
        wire = await connect(scene)
        await wire.send(Frame(3, b"bad"))
        assert (await wire.frame()).code == 1002
        assert await wire.end.rest() == b""


async def test_a_browser_that_pings_and_reads_nothing_is_turned_away() -> None:
    """Each Pong of the upstream would wait here."""
    seen: list[Frame] = []

    async def play(wire: Wire) -> None:
        await wire.send(Frame(BINARY, b"x" * 20_000_000))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not seen or seen[-1].opcode != CLOSE:
                seen.append(await wire.frame())

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        await wire.end.reader.readexactly(100_000)
        wire.end.pause()
        with suppress(ConnectionError):
            for _ in range(2000):
                await wire.send(Frame(PING, b"x" * 125))
                await asyncio.sleep(0)
                if seen and seen[-1].opcode == CLOSE:
                    break
        await until(lambda: seen and seen[-1].opcode == CLOSE)
    assert seen[-1].code == 1008


@pytest.mark.parametrize(
    ("block", "size"),
    [(Frame(CONT, b"", fin=False), 400_000), (Frame(PONG, b"x" * 125), 3_000_000)],
    ids=["empty fragments", "pongs"],
)
async def test_frames_without_end_pass_in_bounded_memory(block: Frame, size: int) -> None:
    """They are the upstream's to judge."""
    got = 0

    async def play(wire: Wire) -> None:
        nonlocal got
        while data := await wire.end.reader.read(2**18):
            got += len(data)

    async with stage(accepting(play), limits=PROMPT) as scene:
        wire = await connect(scene)
        data = block.bytes(mask=True) * (60_000 // len(block.bytes(mask=True)))
        await wire.send(Frame(TEXT, b"x", fin=False))
        tracemalloc.start()
        try:
            for _ in range(size // len(data)):
                await wire.end.send(data)
            await until(lambda: got >= size - len(data))
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()


async def test_a_length_that_no_message_has_ends_the_connection() -> None:
    """2^62 bytes are announced; nothing of them is waited for."""
    async with stage(accepting(echo)) as scene:
        wire = await connect(scene)
        await wire.end.send(b"\x82\xff\x40" + b"\0" * 11)
        assert (await wire.frame()).code == 1009


# What middleware does with a tunnel.


@pytest.mark.usefixtures("in_that_way")
@pytest.mark.parametrize(("anyio_backend", "way"), WAYS)
async def test_connections_and_bytes_are_counted_under_the_id_of_the_request() -> None:
    """A tunnel's messages pass no middleware."""
    seen: list[Message] = []
    outer: list[ObservabilityMiddleware] = []

    def observed(proxy: ReverseProxy) -> Application:
        outer.append(ObservabilityMiddleware(proxy))
        return outer[0]

    async with stage(accepting(echo, seen=seen), wrap=observed) as scene:
        client = await scene.client()
        answer = await client.ask_head(handshake("X-Request-ID: 01234567-89ab-cdef"))
        wire = Wire(client, mask=True)
        assert answer.all(b"x-request-id") == seen[0].all(b"x-request-id") == [b"01234567-89ab-cdef"]
        traffic = outer[0].traffic[""]
        assert (traffic.open, traffic.handshakes) == (1, {101: 1})
        for size in (10, 500, 70_000):
            await wire.send(Frame(BINARY, b"x" * size))
            await wire.message()
        await wire.send(close(1000))
        await wire.end.rest()
        await until(lambda: traffic.open == 0)
        assert traffic.sent_messages == 70_510


class Logins:
    """A middleware that knows every WebSocket by its user."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.open: list[Connection] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection(User(issuer="i", subject="s"), scope, scope.get(TUNNEL))
        self.open.append(connection)
        await connection.serve(self._application, scope, receive, send)


@pytest.mark.usefixtures("in_that_way")
@pytest.mark.parametrize(("anyio_backend", "way"), WAYS)
async def test_the_end_of_a_login_is_1008_and_messages_are_activity() -> None:
    """Nothing that was sent afterwards passes."""
    seen: list[Frame] = []
    logins: list[Logins] = []

    def known(proxy: ReverseProxy) -> Application:
        logins.append(Logins(proxy))
        return logins[0]

    async with stage(accepting(lambda wire: collect(wire, seen)), wrap=known) as scene:
        wire = await connect(scene)
        (login,) = logins[0].open
        states = [login.active]
        await wire.send(Frame(TEXT, b"before"))
        await until(lambda: seen)
        states.append(login.active)
        login.check(0)
        states.append(login.active)
        login.end()
        frame = await until_close(wire)
        with suppress(ConnectionError):
            await wire.send(Frame(TEXT, b"after"), close(1008))
        assert await wire.end.rest() == b""
    assert states == [False, True, False]
    assert (frame.code, frame.reason) == (1008, "the login has ended")
    assert all(each.data != b"after" for each in seen)


# Liveness.


async def test_a_ping_waits_for_no_frame_and_a_browser_that_reads_is_alive() -> None:
    """The browser takes a long frame slowly and sends nothing.

    The upstream pauses in it.
    """
    settings = Settings(log_level="critical", gateway_ws_ping_interval_s=0.05, gateway_ws_ping_timeout_s=0.05)
    go = asyncio.Event()

    async def play(wire: Wire) -> None:
        await wire.end.send(LONG[:1000])
        await go.wait()
        await wire.end.send(LONG[1000:])
        await wire.end.rest()

    limits = ProxyLimits(ws_ping=0, ws_pong=0, ws_close=0.5)
    async with stage(accepting(play), settings=settings, limits=limits) as scene:
        wire = await connect(scene)
        start = await wire.end.reader.readexactly(1000)
        await asyncio.sleep(0.4)  # Several intervals in which a ping would break the frame.
        go.set()
        assert start + await wire.end.reader.readexactly(len(LONG) - 1000) == LONG
        assert (await wire.frame()).opcode == PING


async def test_an_upstream_that_takes_nothing_is_noticed_in_the_middle_of_a_frame() -> None:
    """No ping can be sent to it then, and the browser is held back."""

    async def play(wire: Wire) -> None:
        wire.end.pause()
        await asyncio.Event().wait()

    settings = Settings(log_level="critical", gateway_ws_max_client_message_bytes=100_000_000)
    limits = ProxyLimits(ws_ping=0.2, ws_pong=0.2)
    async with stage(accepting(play), settings=settings, limits=limits) as scene:
        wire = await connect(scene)
        sending = asyncio.create_task(wire.send(Frame(BINARY, b"x" * 50_000_000)))
        assert (await wire.frame()).code == 1014
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


# Memory.


@pytest.mark.usefixtures("in_that_way")
@pytest.mark.parametrize(("anyio_backend", "way"), WAYS)
@pytest.mark.parametrize("fragments", [False, True], ids=["half a frame", "fragments"])
async def test_unfinished_messages_of_all_clients_have_one_budget(
    fragments: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each lies in memory for as long as its connection is open.

    Who ends a message, or leaves, gives its part back; what pages send is too short to count.
    """
    budget = UnfinishedMessages(50_000)
    monkeypatch.setattr(UnfinishedMessages, "of", lambda _largest: budget)
    if fragments:
        begin, rest = Frame(TEXT, b"x" * 85_000, fin=False).bytes(mask=True), Frame(CONT, b"x").bytes(mask=True)
    else:
        whole = Frame(TEXT, b"x" * 86_000).bytes(mask=True)
        begin, rest = whole[:85_000], whole[85_000:]

    async def begun(scene: Stage) -> Wire:
        wire, left = await connect(scene), budget.left
        await wire.end.send(begin)
        await until(lambda: budget.left < left - 10_000)
        return wire

    async with stage(accepting(echo), limits=PROMPT) as scene:
        first, second = await begun(scene), await begun(scene)
        third = await connect(scene)
        await third.end.send(begin)
        assert (await until_close(third)).code == 1013
        await (await connect(scene)).end.send(Frame(TEXT, b"x" * 60_000).bytes(mask=True)[:-1])
        await first.end.send(rest)
        second.end.abort()
        await until(lambda: budget.left == 50_000)
        await begun(scene)
        await first.send(Frame(TEXT, b"short"))
        assert len((await first.message()).data) > 80_000
        assert (await first.message()).data == b"short"


SEEN: list[weakref.ref[Any]] = []


class KnownTunnel(Tunnel):
    __slots__ = ("__weakref__",)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        SEEN.append(weakref.ref(self))
        super().__init__(*arguments, **named)


class KnownEnd(End):
    __slots__ = ("__weakref__",)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        SEEN.append(weakref.ref(self))
        super().__init__(*arguments, **named)


async def leave(wire: Wire) -> None:
    wire.end.abort()


COURSES: dict[str, Any] = {
    "closed": lambda wire: wire.send(close(1000)),
    "broken": lambda wire: wire.send(Frame(3, b"x")),
    "left": leave,
    "half a frame": lambda wire: wire.end.send(Frame(TEXT, b"half").bytes(mask=True)[:7]),
}


@pytest.mark.parametrize("course", COURSES)
async def test_a_tunnel_is_freed_when_it_is_over(course: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By counting references alone."""
    SEEN.clear()
    monkeypatch.setattr(protocol, "Tunnel", KnownTunnel)
    monkeypatch.setattr(tunnel, "End", KnownEnd)
    gc.disable()
    try:
        async with stage(accepting(echo), limits=PROMPT) as scene:
            wire = await connect(scene)
            await wire.send(Frame(TEXT, b"x"))
            assert (await wire.message()).data == b"x"
            await COURSES[course](wire)
            if course == "half a frame":
                stop(scene)
            await wire.end.rest()
            wire.end.abort()
            assert len(SEEN) == 3
            await until(lambda: not any(each() for each in SEEN))
    finally:
        gc.enable()
