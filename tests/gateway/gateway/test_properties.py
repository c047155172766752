"""What a client sends is what the upstream receives, and vice versa.

But for the documented differences.

Bytes in, bytes out: the real server, the gateway and the proxy stand between a raw client and a raw upstream.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxlit._internal.asgi import Application
from fluxlit.gateway import Gateway, RouteTable
from fluxlit.observability.middleware import ObservabilityMiddleware
from fluxlit.proxy import ReverseProxy
from fluxlit_deploy.edges.headers import NAMES, PREFIXES, ROUTE
from tests.gateway.gateway.asking import Recorder
from tests.gateway.proxy.harness import Peer, stage, until
from tests.gateway.proxy.websocket import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, Wire, accepting, close, connect

PROFILE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Field = tuple[bytes, bytes]

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
HOP |= {"transfer-encoding", "upgrade"}
FORWARDING = {name.lower() for name in (*NAMES, *ROUTE)}
PREFIXED = tuple(name.lower() for name in PREFIXES)
FRAMING = {"host", "content-length", "transfer-encoding", "expect", "upgrade", "connection"}
INTERESTING = [
    "cookie",
    "accept",
    "x-a",
    "X-A",
    "range",
    "authorization",
    "via",
    "x_under",
    "te",
    "keep-alive",
    "x-real-ip",
]
INTERESTING += ["X-Forwarded-For", "x_forwarded_for", "Remote-User", "X-Request-ID", "proxy-connection"]

names = st.one_of(st.sampled_from(INTERESTING), st.text(TOKEN, min_size=1, max_size=12)).filter(
    lambda n: n.lower() not in FRAMING
)
octets = st.integers(0x21, 0xFF).filter(lambda octet: octet != 0x7F)
values = st.lists(st.one_of(octets, octets, st.sampled_from([0x20, 0x09])), max_size=20).map(bytes).map(bytes.strip)
fields = st.lists(st.tuples(names.map(str.encode), values), max_size=12)
path_octets = st.text("abcXYZ019-._~!$&'()*+,;=:@/%[]|\\^`{}\"<>", max_size=30)
targets = st.builds(
    lambda path, query: "/" + path + query, path_octets, st.one_of(st.just(""), path_octets.map(lambda q: "?q" + q))
)
# Hypothesis makes short ones by itself, and only long ones meet a buffer's end.
LONG = 400_000
long_bodies = st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(), st.integers(0, LONG))
bodies = st.one_of(st.binary(max_size=300), long_bodies)
cuts_of_bodies = st.lists(st.integers(0, LONG), max_size=5)
answer_names = names.filter(lambda n: n.lower() not in HOP | {"date", "server", "x-request-id"})


def scene(proxy: ReverseProxy) -> Application:
    ready = SimpleNamespace(ready=True, detail="")
    gateway = Gateway(routes=RouteTable("/never"), api=Recorder(), ui=proxy, readiness=lambda: ready)
    return ObservabilityMiddleware(gateway)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


def speaks_for_others(name: str) -> bool:
    plain = name.replace("_", "-")
    return plain in FORWARDING or plain.startswith(PREFIXED)


def expected_upstream(sent: list[Field]) -> list[Field]:
    """The documented differences, written in another way than the code."""
    kept = [(name.decode().lower(), value) for name, value in sent]
    return [
        (name.encode(), value)
        for name, value in kept
        if name not in HOP and not speaks_for_others(name) and name not in {"x-request-id", "via"}
    ]


ADDED = {b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-for", b"x-request-id", b"via"}


@PROFILE
@given(target=targets, sent=fields)
def test_a_request_arrives_as_it_was_sent(target: str, sent: list[Field]) -> None:
    """Target byte for byte.

    Fields by number, order and value, without those that end at a hop or speak for others.
    """

    async def story() -> None:
        seen = []

        async def script(peer: Peer) -> None:
            seen.append(await peer.request())
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

        async with stage(script, wrap=scene) as stand:
            client = await stand.client()
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in sent)
            answer = await client.ask(b"GET %b HTTP/1.1\r\nHost: h.example\r\n%b\r\n" % (target.encode(), lines))
        assert answer.status == 204
        assert seen[0].target == target.encode()
        arrived = [field for field in seen[0].fields if field[0] not in ADDED | {b"host"}]
        assert arrived == expected_upstream(sent)
        assert seen[0].all(b"host") == [b"h.example"]
        assert seen[0].all(b"x-forwarded-for") == [b"127.0.0.1"]
        vias = [value for name, value in sent if name.lower() == b"via"]
        assert seen[0].all(b"via") == [*vias, b"1.1 fluxlit"]

    run(story())


@PROFILE
@given(
    status=st.integers(200, 599).filter(lambda number: number not in (204, 304)),
    sent=st.lists(st.tuples(answer_names.map(str.encode), values), max_size=12),
    body=bodies,
    cuts=cuts_of_bodies,
    chunked=st.booleans(),
)
def test_an_answer_arrives_as_it_was_sent(
    status: int, sent: list[Field], body: bytes, cuts: list[int], chunked: bool
) -> None:
    """Status, headers by number, order and value, and the body.

    The body may be cut into any pieces.
    """

    async def story() -> None:
        parts = pieces(body, cuts)

        async def script(peer: Peer) -> None:
            await peer.request()
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in sent)
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
            await peer.send(b"HTTP/1.1 %d X\r\n%b%b\r\n\r\n" % (status, lines, framing))
            for part in parts:
                await peer.send(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            await peer.send(b"0\r\n\r\n" if chunked else b"")

        async with stage(script, wrap=scene) as stand:
            client = await stand.client()
            answer = await client.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (answer.status, answer.body) == (status, body)
        ours = {b"date", b"x-request-id", b"content-length", b"transfer-encoding"}
        assert [field for field in answer.fields if field[0] not in ours] == [
            (name.lower(), value) for name, value in sent
        ]
        assert answer.all(b"content-length") == ([] if chunked else [b"%d" % len(body)])

    run(story())


@PROFILE
@given(
    body=bodies,
    cuts=cuts_of_bodies,
    chunked=st.booleans(),
    method=st.sampled_from([b"POST", b"PUT", b"GET", b"PATCH"]),
)
def test_a_body_arrives_as_it_was_sent(body: bytes, cuts: list[int], chunked: bool, method: bytes) -> None:
    """With the framing that the client chose, however it is cut into pieces."""

    async def story() -> None:
        seen = []

        async def script(peer: Peer) -> None:
            seen.append(await peer.request())
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

        async with stage(script, wrap=scene) as stand:
            client = await stand.client()
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
            await client.send(b"%b / HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % (method, framing))
            for part in pieces(body, cuts):
                await client.send(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            await client.send(b"0\r\n\r\n" if chunked else b"")
            assert (await client.answer()).status == 204
        assert (seen[0].method, seen[0].body) == (method, body)
        assert seen[0].all(b"content-length") == ([] if chunked else [b"%d" % len(body)])
        assert seen[0].all(b"transfer-encoding") == ([b"chunked"] if chunked else [])

    run(story())


texts = st.text(max_size=300).map(lambda text: Frame(TEXT, text.encode("utf-8", "replace")))
binaries = bodies.map(lambda data: Frame(BINARY, data))
cut_messages = st.lists(
    st.tuples(
        st.one_of(texts, binaries),
        cuts_of_bodies,
        st.sampled_from([(), (Frame(PING, b"are you there"),), (Frame(PONG), Frame(PING))]),
    ),
    max_size=6,
)
codes = st.one_of(st.sampled_from([1000, 1001, 1003, 1007, 1008, 1011, 1012, 1013]), st.integers(3000, 4999))
reasons = st.text(max_size=30)

Cut = list[tuple[Frame, list[int], tuple[Frame, ...]]]


@PROFILE
@given(sent=cut_messages, code=codes, reason=reasons)
def test_messages_of_a_browser_arrive_as_it_sent_them(sent: Cut, code: int, reason: str) -> None:
    """Kind, order and content, however they are cut into frames.

    And the closing code and reason.
    """
    bye = close(code, reason)

    async def story() -> None:
        seen: list[Frame] = []

        async def play(wire: Wire) -> None:
            await hear(wire, seen)

        async with stage(accepting(play), wrap=scene) as stand:
            wire = await connect(stand)
            await send_all(wire, sent)
            await wire.send(bye)
            assert (await wire.message()).data == bye.data, "the browser's own word is confirmed"
            await until(lambda: seen and seen[-1].opcode == CLOSE)
        assert [*seen[:-1], seen[-1].data] == [*(message for message, *_ in sent), bye.data]

    run(story())


@PROFILE
@given(sent=cut_messages, code=codes, reason=reasons)
def test_messages_of_the_upstream_arrive_as_it_sent_them(sent: Cut, code: int, reason: str) -> None:
    """The same in the other direction."""
    bye = close(code, reason)

    async def story() -> None:
        confirmed: list[Frame] = []

        async def play(wire: Wire) -> None:
            await send_all(wire, sent)
            await wire.send(bye)
            await hear(wire, confirmed)

        async with stage(accepting(play), wrap=scene) as stand:
            wire = await connect(stand)
            seen: list[Frame] = []
            await hear(wire, seen)
            await until(lambda: confirmed and confirmed[-1].opcode == CLOSE)
        assert [*seen[:-1], seen[-1].data] == [*(message for message, *_ in sent), bye.data]
        assert [frame.data for frame in confirmed] == [bye.data]

    run(story())


async def hear(wire: Wire, seen: list[Frame]) -> None:
    """Take messages to the end, and confirm it."""
    while not seen or seen[-1].opcode != CLOSE:
        seen.append(await wire.message())
    await wire.send(seen[-1])


async def send_all(wire: Wire, sent: Cut) -> None:
    """Send messages in frames, with control frames after the first of each."""
    for message, cuts, between in sent:
        first, *rest = frames_of(message, cuts)
        await wire.send(first, *between, *rest)


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    """A body cut at these offsets; no piece is empty."""
    marks = [0, *sorted({cut for cut in cuts if 0 < cut < len(body)}), len(body)]
    return [body[start:end] for start, end in pairwise(marks) if start < end]


def frames_of(message: Frame, cuts: list[int]) -> list[Frame]:
    """A message as fragments."""
    parts = pieces(message.data, cuts) or [b""]
    last = len(parts) - 1
    return [Frame(CONT if index else message.opcode, part, index == last) for index, part in enumerate(parts)]
