"""What other ASGI servers may let through.

The proxy does not count on the one in front.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fluxlit._internal.asgi import Message
from fluxlit.proxy import ReverseProxy
from fluxlit.proxy.message_framing import Framing, RefusedError
from tests.gateway.proxy.harness import answering, stage, until
from tests.gateway.proxy.websocket import TEXT, Frame, Wire, accepting, collect

pytestmark = pytest.mark.anyio

Field = tuple[bytes, bytes]
LENGTH, CODING = b"content-length", b"transfer-encoding"


def scope_of(*fields: Field, version: str = "1.1", **changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "http_version": version,
        "headers": [(b"host", b"h"), *fields],
        "extensions": {},
        **changes,
    }


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(LENGTH, b"3"), (LENGTH, b"3")], 400),
        ([(LENGTH, b"3"), (CODING, b"chunked")], 400),
        ([(CODING, b"chunked"), (LENGTH, b"3")], 400),
        ([(CODING, b"chunked"), (CODING, b"chunked")], 400),
        ([(LENGTH, b"+3")], 400),
        ([(LENGTH, b"3, 3")], 400),
        ([(LENGTH, b"")], 400),
        ([(LENGTH, b"9" * 5000)], 400),
        ([(LENGTH, "\u0663".encode())], 400),
        ([(CODING, b"gzip, chunked")], 501),
        ([(CODING, b"identity")], 501),
    ],
)
def test_rule_14_ambiguous_framing_is_refused_whatever_the_server_says(fields: list[Field], status: int) -> None:
    with pytest.raises(RefusedError) as caught:
        Framing.of(scope_of(*fields))
    assert caught.value.status == status


def test_rule_14_a_coding_in_http_1_0_is_refused() -> None:
    with pytest.raises(RefusedError):
        Framing.of(scope_of((CODING, b"chunked"), version="1.0"))


def test_http_2_needs_no_framing_fields() -> None:
    """RFC 9113 section 8.1.1: its frames mark where a body ends."""
    assert Framing.of(scope_of(version="2")).chunked
    assert not Framing.of(scope_of(version="2", method="GET")).body
    assert Framing.of(scope_of((LENGTH, b"3"), version="2")).length == 3
    assert not Framing.of(scope_of()).body


@pytest.mark.parametrize("body", [b"abc", b"abcdefghijk"])
async def test_rule_15_a_body_of_another_length_than_it_says_is_never_completed(body: bytes) -> None:
    """RFC 9112 section 6.3; neither too short nor too long."""
    script, seen = answering()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async with stage(script) as scene:
        await ReverseProxy(scene.upstream)(scope_of((LENGTH, b"10")), receive, send)
        await until(scene.connections[0].reader.at_eof)
    assert (sent[0]["status"], seen) == (400, [])


async def test_rule_35_a_server_that_says_so_by_an_error_is_understood() -> None:
    """Since ASGI 2.4 a `send` to a peer that has left raises OSError.

    The upstream still sees a close.
    """
    seen: list[Frame] = []

    async def play(wire: Wire) -> None:
        await wire.send(Frame(TEXT, b"x"))
        await collect(wire, seen)

    connected = iter([{"type": "websocket.connect"}])

    async def receive() -> Message:
        if (message := next(connected, None)) is not None:
            return message
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            raise OSError

    scope = scope_of(type="websocket", subprotocols=[])
    async with stage(accepting(play)) as scene:
        await ReverseProxy(scene.upstream)(scope, receive, send)
    assert [frame.code for frame in seen] == [1001]


async def test_rule_36_a_server_that_cannot_refuse_with_a_status_closes_instead() -> None:
    """Without the extension a refusal is a close before the handshake.

    Browsers see 403.
    """
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    script, _ = answering(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
    async with stage(script) as scene:
        await ReverseProxy(scene.upstream)(scope_of(type="websocket", subprotocols=[]), receive, send)
    assert sent == [{"type": "websocket.close"}]
