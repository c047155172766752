"""WebSockets through the proxy.

Rules 31 to 40 of docs/contributing/proxy-rules.md, as tunnels and as relays.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from fluxlit.proxy import ProxyLimits
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import OK, Message, Peer, answering, get, stage, until
from tests.gateway.proxy.websocket import (
    BINARY,
    BOTH_WAYS,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
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

pytestmark = BOTH_WAYS

SETTINGS = Settings(log_level="critical", gateway_ws_max_client_message_bytes=200_000_000)


async def test_rule_04_a_101_carries_no_hop_by_hop_fields_of_the_upstream() -> None:
    """RFC 9110 section 7.6.1 holds for switching protocols too."""
    fields = [
        b"Connection: X-Up",
        b"X-Up: 1",
        b"Keep-Alive: 5",
        b"Server: up",
        b"Set-Cookie: a=1",
        b"Set-Cookie: b=2",
        b"X-Y: 1",
    ]
    async with stage(accepting(echo, *fields)) as scene:
        answer = await (await scene.client()).ask_head(handshake())
    assert answer.status == 101
    assert answer.all(b"set-cookie") == [b"a=1", b"b=2"]
    assert answer.all(b"x-y") == [b"1"]
    assert [value.lower() for value in answer.all(b"connection")] == [b"upgrade"]
    assert not {b"x-up", b"keep-alive", b"server"} & set(answer.names)


async def test_rule_32_empty_messages_survive() -> None:
    """RFC 6455 section 5.6: a payload may be empty."""
    async with stage(accepting(echo)) as scene:
        wire = await connect(scene)
        for opcode in (TEXT, BINARY):
            await wire.send(Frame(opcode))
            assert await wire.message() == Frame(opcode)


@pytest.mark.parametrize(
    "offer",
    ["streamlit, token|with|bars, 3f2a-session", "b, a, b, a", "a", "streamlit, PLACEHOLDER_AUTH_TOKEN", "x,y ,  z"],
)
async def test_rule_33_the_subprotocol_offer_is_forwarded_in_order_and_complete(offer: str) -> None:
    """RFC 6455 section 4.1.

    Streamlit reads a token and a session id from it by position.
    """
    seen: list[Message] = []
    first = offer.partition(",")[0].encode()
    async with stage(accepting(echo, b"Sec-WebSocket-Protocol: " + first, seen=seen)) as scene:
        client = await scene.client()
        answer = await client.ask_head(handshake(f"Sec-WebSocket-Protocol: {offer}"))
    assert seen[0].all(b"sec-websocket-protocol") == [offer.encode()]
    assert answer.all(b"sec-websocket-protocol") == [first]


@pytest.mark.parametrize("server", ["wsproto", "websockets-sansio"])
async def test_rule_33_the_offer_arrives_under_other_servers_too(server: str) -> None:
    """A plain uvicorn may be set to use another library."""
    seen: list[Message] = []
    async with stage(accepting(echo, b"Sec-WebSocket-Protocol: streamlit", seen=seen), ws=server) as scene:
        wire = await connect(scene, "Sec-WebSocket-Protocol: streamlit, token, id")
        await wire.send(Frame(TEXT, b"x"))
        assert (await wire.message()).data == b"x"
    assert seen[0].all(b"sec-websocket-protocol") == [b"streamlit, token, id"]


async def test_rule_33_what_the_upstream_chose_is_returned_and_nothing_else() -> None:
    """Not the first of the list, and nothing when it chose nothing."""
    for fields, chosen in (([b"Sec-WebSocket-Protocol: b"], [b"b"]), ([], [])):
        async with stage(accepting(echo, *fields)) as scene:
            answer = await (await scene.client()).ask_head(handshake("Sec-WebSocket-Protocol: a, b"))
        assert answer.all(b"sec-websocket-protocol") == chosen


@pytest.mark.parametrize(
    "fields",
    [[b"Sec-WebSocket-Protocol: c"], [b"Sec-WebSocket-Extensions: permessage-deflate"], [b"Sec-WebSocket-Accept: x"]],
)
async def test_rule_33_an_answer_that_was_not_asked_for_is_502(fields: list[bytes]) -> None:
    """RFC 6455 section 4.1, steps 4 to 6."""
    async with stage(accepting(echo, *fields)) as scene:
        assert (await (await scene.client()).ask_head(handshake("Sec-WebSocket-Protocol: a, b"))).status == 502


async def test_rule_34_each_hop_makes_its_own_handshake() -> None:
    """Key and extensions are never copied.

    Nothing is compressed twice on one machine.
    """
    seen: list[Message] = []
    async with stage(accepting(echo, seen=seen)) as scene:
        client = await scene.client()
        extensions = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        answer = await client.ask_head(handshake(extensions, key="dGhlIHNhbXBsZSBub25jZQ=="))
    request = seen[0]
    assert answer.all(b"sec-websocket-accept") == [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    assert answer.all(b"sec-websocket-extensions") == []
    assert request.all(b"sec-websocket-extensions") == []
    assert len(request.all(b"sec-websocket-key")) == 1
    assert request.all(b"sec-websocket-key") != [b"dGhlIHNhbXBsZSBub25jZQ=="]
    assert request.all(b"sec-websocket-version") == [b"13"]
    assert [value.lower() for value in request.all(b"connection")] == [b"upgrade"]


async def test_rule_34_a_handshake_of_another_version_is_told_which_one_is_spoken() -> None:
    """RFC 6455 section 4.4; the upstream is not asked."""
    async with stage(accepting(echo)) as scene:
        for version in (b"8", b"", b"14"):
            client = await scene.client()
            answer = await client.ask(handshake().replace(b"Version: 13", b"Version: " + version))
            assert (answer.status, answer.all(b"sec-websocket-version")) == (426, [b"13"])
        assert scene.connections == []


async def test_the_handshake_carries_path_query_host_origin_cookies_and_via() -> None:
    """Byte for byte, as for any request."""
    seen: list[Message] = []
    async with stage(accepting(echo, seen=seen)) as scene:
        fields = ["Origin: https://public.example", "Cookie: a=1", "Cookie: b=2", "X-Odd: \xe9"]
        await connect(scene, *fields, target="/a%2Fb;c//d?x=%20&y")
    request = seen[0]
    assert request.line == b"GET /a%2Fb;c//d?x=%20&y HTTP/1.1"
    assert request.all(b"host") == [b"public.example"]
    assert request.all(b"origin") == [b"https://public.example"]
    assert request.all(b"cookie") == [b"a=1", b"b=2"]
    assert request.all(b"via") == [b"1.1 fluxlit"]
    assert request.all(b"x-odd") == [b"\xe9"]


CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]


@pytest.mark.parametrize("code", CODES)
async def test_rule_35_the_upstreams_code_and_reason_reach_the_browser(code: int) -> None:
    """RFC 6455 section 7.4 and IANA's registry."""

    async def play(wire: Wire) -> None:
        await wire.send(close(code, "because \u00e9"))
        await wire.frame()

    async with stage(accepting(play)) as scene:
        frame = await (await connect(scene)).frame()
    assert (frame.code, frame.reason) == (code, "because \u00e9")


@pytest.mark.parametrize("code", CODES)
async def test_rule_35_the_browsers_code_and_reason_reach_the_upstream(code: int) -> None:
    """Likewise."""
    seen: list[Frame] = []
    async with stage(accepting(lambda wire: collect(wire, seen))) as scene:
        wire = await connect(scene)
        await wire.send(close(code, "because \u00e9"))
        assert (await wire.frame()).code == code
        await until(lambda: seen)
    assert (seen[0].code, seen[0].reason) == (code, "because \u00e9")


async def test_rule_35_no_code_at_all_is_no_code_upstream_and_at_most_1000_in_the_browser(way: str) -> None:
    """RFC 6455 section 7.4.1: 1005 never travels.

    ASGI cannot send a Close frame without a code.
    """
    seen: list[Frame] = []
    async with stage(accepting(lambda wire: collect(wire, seen))) as scene:
        wire = await connect(scene)
        await wire.send(close(None))
        await until(lambda: seen)
    assert seen[0].data == b""

    async def play(wire: Wire) -> None:
        await wire.send(close(None))
        await wire.frame()

    async with stage(accepting(play)) as scene:
        assert (await (await connect(scene)).frame()).code == (None if way == "tunnel" else 1000)


async def test_rule_35_a_browser_that_vanishes_is_going_away_for_the_upstream() -> None:
    """RFC 6455 section 7.4.1: 1006 never travels, 1001 stands for it."""
    seen: list[Frame] = []
    async with stage(accepting(lambda wire: collect(wire, seen))) as scene:
        wire = await connect(scene)
        wire.end.abort()
        await until(lambda: seen)
    assert seen[0].code == 1001


@pytest.mark.parametrize("reset", [True, False])
async def test_rule_35_an_upstream_that_dies_is_a_bad_gateway_for_the_browser(reset: bool) -> None:
    """1014 is the gateway's own code in IANA's registry.

    Messages before it still arrive.
    """

    async def play(wire: Wire) -> None:
        await wire.send(Frame(TEXT, b"last words"), Frame(TEXT, b"unfinish", fin=False))
        if reset:
            wire.end.abort()

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        if not reset:
            assert (await wire.message()).data == b"last words"
        while (frame := await wire.message()).opcode != CLOSE:
            pass
    assert frame.code == 1014


@pytest.mark.parametrize("status", [101, 400, 401, 403, 404, 426, 500, 503])
async def test_rule_36_a_refusal_reaches_the_browser_with_status_fields_and_body(status: int) -> None:
    """RFC 6455 section 4.2.2."""

    async def script(peer: Peer) -> None:
        request = await peer.head()
        if status == 101:
            await peer.send(accept(request))
            await echo(Wire(peer, mask=False))
        else:
            await peer.send(b"HTTP/1.1 %d X\r\nX-Why: so\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!" % status)

    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask_head(handshake())
        assert answer.status == status
        if status != 101:
            assert answer.all(b"x-why") == [b"so"]
            assert await client.body(answer) == b"no!"


async def test_rule_36_a_refusal_has_one_length() -> None:
    """RFC 9112 section 6.3: two lengths of the upstream become one."""

    async def script(peer: Peer) -> None:
        await peer.head()
        framing = b"Content-Length: 99\r\nTransfer-Encoding: chunked"
        await peer.send(b"HTTP/1.1 403 X\r\n%b\r\n\r\n3\r\nno!\r\n0\r\n\r\n" % framing)

    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask_head(handshake())
        assert (answer.all(b"transfer-encoding"), answer.all(b"content-length")) == ([], [b"3"])
        assert await client.body(answer) == b"no!"


async def test_rule_36_silence_hanging_up_and_nonsense_have_their_statuses() -> None:
    """504 for a handshake that is not answered, 502 for one that ends."""

    async def script(peer: Peer) -> None:
        match (await peer.head()).target:
            case b"/silent":
                await peer.gone()
            case b"/nonsense":
                await peer.send(b"SSH-2.0\r\n\r\n")
                await peer.gone()

    async with stage(script, limits=ProxyLimits(ws_open=0.3)) as scene:
        for target, status in (("/silent", 504), ("/gone", 502), ("/nonsense", 502)):
            assert (await (await scene.client()).ask_head(handshake(target=target))).status == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (handshake().replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"), 426),
        (handshake(key="short"), 400),
        (handshake().replace(b"GET", b"POST"), 405),
    ],
)
async def test_handshakes_that_break_the_rules_never_reach_the_upstream(head: bytes, status: int) -> None:
    """RFC 6455 section 4.2.1."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        answer = await (await scene.client()).ask_head(head)
    assert (answer.status // 100, seen) == (status // 100, [])


async def test_rule_37_pings_cross_a_tunnel_and_a_relay_answers_them(way: str) -> None:
    """RFC 6455 section 5.5.2: with the same payload."""
    frames: list[Frame] = []

    async def play(wire: Wire) -> None:
        await wire.send(Frame(PING, b"from up"))
        await collect(wire, frames)

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        await wire.send(Frame(PING, b"from browser"), Frame(PONG, b"unasked"), Frame(TEXT, b"x"))
        assert await wire.frame() == (Frame(PING, b"from up") if way == "tunnel" else Frame(PONG, b"from browser"))
        await until(lambda: any(frame.opcode == TEXT for frame in frames))
    seen = [(frame.opcode, frame.data) for frame in frames if frame.opcode != CLOSE]
    if way == "tunnel":
        assert seen == [(PING, b"from browser"), (PONG, b"unasked"), (TEXT, b"x")]
    else:
        assert seen == [(PONG, b"from up"), (TEXT, b"x")]


async def test_rule_37_an_idle_connection_survives_by_pings_on_both_legs() -> None:
    """Several pings in silence; both peers answer.

    The next ping comes after the time for a pong, which a busy machine needs.
    """
    pings = 0

    async def play(wire: Wire) -> None:
        nonlocal pings
        while (frame := await wire.frame()).opcode != CLOSE:
            if frame.opcode == PING:
                pings += 1
                await wire.send(Frame(PONG, frame.data))

    limits = ProxyLimits(ws_ping=0.05, ws_pong=1)
    settings = Settings(log_level="critical", gateway_ws_ping_interval_s=0.05, gateway_ws_ping_timeout_s=1)
    async with stage(accepting(play), limits=limits, settings=settings) as scene:
        wire = await connect(scene)
        for _ in range(3):
            while (frame := await wire.frame()).opcode == PONG:  # Of the upstream, to a ping of the tunnel.
                pass
            assert frame.opcode == PING
            await wire.send(Frame(PONG, frame.data))
        await until(lambda: pings >= 3)


async def test_rule_37_an_upstream_that_is_dead_is_noticed() -> None:
    """It answers no ping: the browser knows within interval and time-out."""

    async def play(wire: Wire) -> None:
        await wire.end.rest()

    async with stage(accepting(play), limits=ProxyLimits(ws_ping=0.1, ws_pong=0.2)) as scene:
        async with asyncio.timeout(60):
            assert (await (await connect(scene)).frame()).code == 1014


async def test_rule_37_a_browser_that_is_dead_is_noticed() -> None:
    """The server in front pings, and the upstream's connection ends with it."""
    seen: list[Frame] = []
    settings = Settings(log_level="critical", gateway_ws_ping_interval_s=0.1, gateway_ws_ping_timeout_s=0.2)
    async with stage(accepting(lambda wire: collect(wire, seen)), settings=settings) as scene:
        wire = await connect(scene)
        assert (await wire.frame()).opcode == PING
        await until(lambda: seen)
    assert seen[0].code == 1001


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_rule_38_messages_of_sixty_megabytes_pass_both_ways(opcode: int) -> None:
    """Streamlit's limit is 200 MB.

    A library's default of one would end the session.
    """
    data = b"0123456789abcdef" * (60_000_000 // 16)
    async with stage(accepting(echo), settings=SETTINGS) as scene:
        wire = await connect(scene)
        await wire.send(Frame(opcode, data))
        message = await wire.message()
    assert (message.opcode, message.data == data) == (opcode, True)


async def test_rule_38_a_message_from_the_upstream_over_the_limit_is_1009() -> None:
    """RFC 6455 section 7.4.1, on both connections."""
    seen: list[Frame] = []

    async def play(wire: Wire) -> None:
        await wire.send(Frame(BINARY, b"x" * 2001))
        await collect(wire, seen)

    async with stage(accepting(play), limits=ProxyLimits(ws_message=2000)) as scene:
        assert (await (await connect(scene)).frame()).code == 1009
        await until(lambda: seen)
    assert seen[0].code == 1009


async def test_rule_38_a_message_from_the_browser_over_the_limit_is_1009() -> None:
    """Whether it comes whole or in fragments."""
    settings = Settings(log_level="critical", gateway_ws_max_client_message_bytes=2000)
    for frames in ([Frame(BINARY, b"x" * 2001)], [Frame(BINARY, b"x" * 1500, fin=False), Frame(CONT, b"x" * 501)]):
        ended = asyncio.Event()

        async def play(wire: Wire, ended: asyncio.Event = ended) -> None:
            await until_close(wire)
            ended.set()

        async with stage(accepting(play), settings=settings) as scene:
            wire = await connect(scene)
            await wire.send(*frames)
            assert (await wire.frame()).code == 1009
            await asyncio.wait_for(ended.wait(), 60)


async def test_rule_39_a_slow_browser_is_turned_away_at_the_bound() -> None:
    """What waits is bounded, and the upstream is not held up.

    It sees the socket close: its session can go on.
    """
    seen: list[Frame] = []
    sent = 0
    gone = asyncio.Event()

    async def play(wire: Wire) -> None:
        nonlocal sent
        listening = asyncio.create_task(collect(wire, seen))
        with suppress(ConnectionError):
            while not listening.done():
                await wire.send(Frame(BINARY, b"x" * 100_000))
                sent += 100_000
                await asyncio.sleep(0)
        await listening
        gone.set()

    async with stage(accepting(play), limits=ProxyLimits(ws_backlog=2_000_000, ws_close=0.5)) as scene:
        wire = await connect(scene)
        wire.end.pause()
        await asyncio.wait_for(gone.wait(), 60)
        assert 2_000_000 < sent < 40_000_000


async def test_rule_39_the_browser_reads_1013_if_it_reads_at_all() -> None:
    """IANA's registry: try again later, which Streamlit's page does."""
    started = asyncio.Event()

    async def play(wire: Wire) -> None:
        with suppress(ConnectionError):
            for _ in range(40):
                await wire.send(Frame(BINARY, b"x" * 1_000_000))
        started.set()

    async with stage(accepting(play), limits=ProxyLimits(ws_backlog=1_000_000, ws_close=5)) as scene:
        wire = await connect(scene)
        wire.end.pause()
        await asyncio.wait_for(started.wait(), 60)
        wire.end.resume()
        while (frame := await wire.message()).opcode != CLOSE:
            pass
    assert frame.code == 1013


async def test_rule_39_one_message_may_be_longer_than_the_bound() -> None:
    """The bound is for what waits behind it."""

    async def play(wire: Wire) -> None:
        await wire.send(Frame(BINARY, b"x" * 5_000_000), Frame(TEXT, b"next"))
        await wire.frame()

    async with stage(accepting(play), limits=ProxyLimits(ws_backlog=1000)) as scene:
        wire = await connect(scene)
        assert len((await wire.message()).data) == 5_000_000
        assert (await wire.message()).data == b"next"


async def test_rule_39_a_slow_upstream_stops_the_browser() -> None:
    """Back-pressure instead of a buffer that grows."""
    go = asyncio.Event()
    sent = 0

    async def play(wire: Wire) -> None:
        wire.end.pause()
        await go.wait()

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)

        async def pour() -> None:
            nonlocal sent
            while True:
                wire.end.writer.write(Frame(BINARY, b"x" * 70_000).bytes(mask=True))
                await wire.end.writer.drain()
                sent += 70_000

        pouring = asyncio.create_task(pour())
        before, still = -1, 0
        while still < 20:
            await asyncio.sleep(0.02)
            still = still + 1 if before == sent > 0 else 0
            before = sent
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        go.set()
    assert sent < 16_000_000


async def test_many_messages_keep_their_order_and_kind() -> None:
    """Text stays text and binary binary."""
    async with stage(accepting(echo)) as scene:
        wire = await connect(scene)
        sent = [Frame(TEXT if number % 3 else BINARY, b"%d" % number * (number % 50)) for number in range(500)]
        sending = asyncio.create_task(wire.send(*sent))
        received = [await wire.message() for _ in sent]
        await sending
    assert received == sent


async def test_the_connection_ends_when_the_upstream_does_not_answer_a_close() -> None:
    """The closing handshake has a limit."""

    async def play(wire: Wire) -> None:
        while True:
            await wire.frame()

    async with stage(accepting(play), limits=ProxyLimits(ws_close=0.2)) as scene:
        wire = await connect(scene)
        await wire.send(close(1000))
        await until(scene.connections[0].reader.at_eof)


async def test_rule_42_a_server_that_stops_tells_both_sides_1012() -> None:
    """IANA's registry: service restart.

    The browser reconnects, and Streamlit keeps the session for it.
    """
    seen: list[Frame] = []
    async with stage(accepting(lambda wire: collect(wire, seen))) as scene:
        wire = await connect(scene)
        for connection in list(scene.server.server_state.connections):
            connection.shutdown()
        assert (await wire.frame()).code == 1012
        await until(lambda: seen)
    assert seen[0].code == 1012


async def test_websockets_and_requests_share_a_port() -> None:
    """And a WebSocket takes no turn of the HTTP exchanges."""
    seen: dict[str, Any] = {}

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            if request.all(b"upgrade"):
                seen["ws"] = True
                await peer.send(accept(request))
                await echo(Wire(peer, mask=False))
                return
            await peer.send(OK)

    async with stage(script, limits=ProxyLimits(concurrent=1, queue=0.2)) as scene:
        wires = [await connect(scene) for _ in range(5)]
        assert (await (await scene.client()).ask(get())).status == 200
        for wire in wires:
            await wire.send(Frame(TEXT, b"x"))
            assert (await wire.message()).data == b"x"
