"""The cases of RFC 6455 that a relay can get wrong: rules 31 and 40.

Grouped as in the Autobahn suite.

The public suite runs on Python 2 only; what it found is kept here. A case sends frames and names what comes back.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import tempfile
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve

from fluxlit.proxy import Address, ReverseProxy, Upstream
from tests.gateway.proxy.harness import Stage, stage, until
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
    accepting,
    close,
    connect,
    echo,
    until_close,
)

pytestmark = BOTH_WAYS

QUIET = logging.getLogger("tests.upstream")
QUIET.setLevel(logging.CRITICAL + 1)  # `disabled` is undone by any `dictConfig` of the process, such as uvicorn's

VALID = "\u03ba\u1f79\u03c3\u03bc\u03b5 \U0010ffff \ud7ff \ue000 \x7f \x00".encode()


def text(data: bytes, *, fin: bool = True) -> Frame:
    return Frame(TEXT, data, fin)


def more(data: bytes, *, fin: bool = False) -> Frame:
    return Frame(CONT, data, fin)


ECHOED = {
    "1.1 text of every length of length": [[text(b"*" * size)] for size in (0, 1, 125, 126, 127, 65535, 65536)],
    "1.2 binary of every length of length": [[Frame(BINARY, b"\xfe" * size)] for size in (0, 125, 126, 65535, 65536)],
    "5.3 two fragments": [[text(b"frag", fin=False), more(b"ment", fin=True)]],
    "5.6 a ping between fragments": [[text(b"a", fin=False), Frame(PING, b"p"), more(b"b", fin=True)]],
    "5.19 many pings between fragments": [
        [
            text(b"1", fin=False),
            more(b"2"),
            Frame(PING, b"x"),
            more(b"3"),
            more(b"4"),
            Frame(PING, b"y"),
            more(b"5", fin=True),
        ]
    ],
    "6.1 empty fragments": [
        [text(b""), text(b"", fin=False), more(b""), more(b"", fin=True)],
        [text(b"", fin=False), more(b"middle"), more(b"", fin=True)],
    ],
    "6.2 valid UTF-8, whole and cut between any two octets": [
        [text(VALID)],
        [text(VALID[:1], fin=False), *(more(VALID[at : at + 1]) for at in range(1, len(VALID))), more(b"", fin=True)],
    ],
    "9.3 a message in fragments of 64 bytes": [
        [text(b"x" * 64, fin=False), *[more(b"x" * 64)] * 500, more(b"", fin=True)]
    ],
}


@pytest.mark.parametrize("case", ECHOED)
async def test_rule_40_messages_come_back_whole_whatever_their_frames(case: str) -> None:
    """RFC 6455 sections 5.4 to 5.6."""
    async with stage(accepting(echo)) as scene:
        wire = await connect(scene)
        for frames in ECHOED[case]:
            await wire.send(*frames)
            expected: list[Frame] = []
            for frame in frames:
                if frame.opcode in (TEXT, BINARY):
                    expected.append(Frame(frame.opcode, frame.data))
                elif frame.opcode == CONT:
                    expected[-1].data += frame.data
            for message in expected:
                assert await wire.message() == message
        await wire.send(close(1000, "done"))
        assert (await wire.frame()).code == 1000


@pytest.mark.parametrize("data", [b"", b"Hello", b"\x00\xff\xfe", b"\xfe" * 125])
async def test_rule_31_a_ping_is_answered_with_its_own_payload(data: bytes) -> None:
    """Section 5.5.2; ten of them in order, and octet by octet."""
    async with stage(accepting(echo)) as scene:
        wire = await connect(scene)
        for number in range(10):
            await wire.send(Frame(PING, data[:124] + b"%d" % number))
            assert await wire.frame() == Frame(PONG, data[:124] + b"%d" % number)
        for octet in Frame(PING, data).bytes(mask=True):
            await wire.end.send(bytes([octet]))
        assert await wire.frame() == Frame(PONG, data)


BROKEN = {
    "2.5 ping too long": [Frame(PING, b"x" * 126)],
    "3 reserved bit 1": [Frame(TEXT, b"x", rsv=4)],
    "3 reserved bit 2": [Frame(TEXT, b"x", rsv=2)],
    "3 reserved bit 3 in a ping": [Frame(PING, b"x", rsv=1)],
    "4 opcode 3": [Frame(3, b"x")],
    "4 opcode 7": [Frame(7)],
    "4 opcode 11": [Frame(11)],
    "4 opcode 15": [Frame(15, b"x")],
    "5.1 ping in fragments": [Frame(PING, b"x", fin=False)],
    "7.3 reason too long": [Frame(CLOSE, struct.pack("!H", 1000) + b"x" * 124)],
}

# What a tunnel leaves to the upstream: it takes more than a frame's header to see it.
INVALID = {
    "5.9 continuation of nothing": [more(b"x", fin=True)],
    "5.18 text inside of text": [text(b"a", fin=False), text(b"b")],
    "7.3 close of one octet": [Frame(CLOSE, b"x")],
    "7.5 reason that is not UTF-8": [Frame(CLOSE, struct.pack("!H", 1000) + b"\xce\xba\xe1\xed\xa0\x80")],
    **{f"7.9 code {code}": [close(code)] for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000)},
}


@pytest.mark.parametrize("case", BROKEN)
async def test_rule_31_frames_that_break_the_rules_end_the_connection_with_1002(case: str) -> None:
    """Sections 5.2 and 5.5; the upstream gets none of it, but a Close frame."""
    received: list[Frame] = []

    async def play(wire: Wire) -> None:
        while not received or received[-1].opcode != CLOSE:
            received.append(await wire.frame())
        await wire.send(received[-1])

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        await wire.send(*BROKEN[case])
        assert (await wire.frame()).code == 1002
        assert await wire.end.rest() == b""
        await until(lambda: received)
    assert [frame.opcode for frame in received] == [CLOSE]


async def test_rule_31_an_unmasked_frame_from_a_browser_ends_the_connection_with_1002() -> None:
    """Section 5.1."""
    async with stage(accepting(echo)) as scene:
        wire = await connect(scene)
        await wire.end.send(text(b"x").bytes(mask=False))
        assert (await wire.frame()).code == 1002


async def test_rule_31_messages_before_a_broken_frame_are_delivered() -> None:
    """Also if all of it comes in one read."""
    received: list[Frame] = []

    async def play(wire: Wire) -> None:
        while not received or received[-1].opcode != CLOSE:
            received.append(await wire.frame())

    async with stage(accepting(play)) as scene:
        wire = await connect(scene)
        await wire.send(text(b"good"), Frame(3, b"bad"))
        assert (await wire.message()).code == 1002
        await until(lambda: len(received) == 2)
    assert received[0].data == b"good"


@contextlib.asynccontextmanager
async def before_a_server() -> AsyncIterator[Stage]:
    """The gateway in front of an echo server of the `websockets` library."""

    async def back(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        upstream = Upstream(Address.unix(f"{folder}/up"))
        async with (
            unix_serve(back, f"{folder}/up", compression=None, logger=QUIET),
            stage(accepting(echo), wrap=lambda _: ReverseProxy(upstream)) as scene,
        ):
            yield scene


@pytest.mark.parametrize("case", INVALID)
async def test_rule_31_what_is_invalid_behind_the_header_of_a_frame_ends_with_1002(case: str) -> None:
    """Sections 5.4, 5.5.1, 7.1.6 and 7.4.

    By the upstream's judgement or the relay's.
    """
    async with before_a_server() as scene:
        wire = await connect(scene)
        await wire.send(*INVALID[case])
        assert (await wire.frame()).code in {1002, 1007}
        assert await wire.end.rest() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"\xce\xba\xed\xa0\x80",
        b"\xff",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\xed\xbf\xbf",
        b"\xe4",
        b"ok\x80",
        b"\xf8\x88\x80\x80\x80",
    ],
)
@pytest.mark.parametrize("split", [False, True])
async def test_rule_40_invalid_utf_8_from_the_browser_is_1007(
    data: bytes, split: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Section 8.1; it is no fault of ours that the log would report."""
    async with before_a_server() as scene:
        wire = await connect(scene)
        await wire.send(*([text(data[:1], fin=False), more(data[1:], fin=True)] if split else [text(data)]))
        assert (await wire.frame()).code == 1007
    assert "Traceback" not in caplog.text


async def test_rule_40_invalid_utf_8_from_the_upstream_is_1007_or_for_the_browser_to_judge(way: str) -> None:
    """A relay reports it to both.

    A tunnel knows no more of a message than its length.
    """
    answered: list[Frame] = []

    async def play(wire: Wire) -> None:
        await wire.send(text(b"ok \xff"))
        answered.append(await wire.frame())

    async with stage(accepting(play)) as scene:
        frame = await (await connect(scene)).frame()
    if way == "tunnel":
        assert frame == text(b"ok \xff")
    else:
        assert frame.code == 1007
        assert [frame.code for frame in answered] in ([1007], [])


@pytest.mark.parametrize(
    "after",
    [[], [text(b"x")], [Frame(PING, b"x")], [close(1000)], [more(b"x", fin=True)]],
    ids=["nothing", "text", "ping", "close", "rest"],
)
async def test_rule_31_what_follows_a_close_is_ignored(after: list[Frame]) -> None:
    """Section 5.5.1, with a message half sent as well (case 7.1.5).

    The response is a clean close.
    """
    async with stage(accepting(echo)) as scene:
        wire = await connect(scene)
        await wire.send(text(b"fragment", fin=False), close(1000, "bye"), *after)
        frame = await wire.frame()
        assert (frame.opcode, frame.code) == (CLOSE, 1000)
        assert await wire.end.rest() == b""


async def test_rule_31_a_close_between_fragments_of_the_upstream_is_clean_too() -> None:
    """The same rule to the upstream."""

    async def play(wire: Wire) -> None:
        await wire.send(text(b"fragment", fin=False), close(1001, "restart"))
        assert (await wire.frame()).code == 1001

    async with stage(accepting(play)) as scene:
        frame = await until_close(await connect(scene))
    assert (frame.code, frame.reason) == (1001, "restart")
