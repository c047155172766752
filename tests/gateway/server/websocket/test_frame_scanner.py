"""Frames are followed by their headers, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.server.websocket.frame_scanner import FrameScanner
from tests.gateway.proxy.websocket import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame

LIMIT = 70_000

GOOD = {
    "an empty message": Frame(TEXT),
    "a short message": Frame(BINARY, b"x" * 125),
    "a length of 16 bits": Frame(TEXT, b"x" * 126),
    "a length of 64 bits": Frame(BINARY, b"x" * 65_536),
    "a first fragment": Frame(TEXT, b"x", fin=False),
    "a fragment": Frame(CONT, b"x", fin=False),
    "a last fragment": Frame(CONT, b"x"),
    "a ping": Frame(PING, b"x" * 125),
    "a pong": Frame(PONG),
}

# The first bytes of a client's frame, and the code that it gets. Each is broken when its second byte is there.
BAD = {
    "no mask": (b"\x81\x00", 1002),
    "reserved bit 1": (b"\xc1\x80", 1002),
    "reserved bit 2": (b"\xa1\x80", 1002),
    "reserved bit 3": (b"\x91\x80", 1002),
    "opcode 3": (b"\x83\x80", 1002),
    "opcode 7": (b"\x87\x80", 1002),
    "opcode 11": (b"\x8b\x80", 1002),
    "opcode 15": (b"\x8f\x80", 1002),
    "a ping in fragments": (b"\x09\x80", 1002),
    "a close in fragments": (b"\x08\x80", 1002),
    "a ping of 126 bytes": (b"\x89\xfe\x00\x7e", 1002),
    "a close of 64 bits": (b"\x88\xff", 1002),
    "a message over the limit": (b"\x82\xff" + (LIMIT + 1).to_bytes(8), 1009),
    "the longest length": (b"\x82\xff" + b"\xff" * 8, 1009),
}


def scanner(*, masked: bool = True) -> FrameScanner:
    return FrameScanner(masked=masked, limit=LIMIT)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("case", GOOD)
def test_a_frame_passes_and_is_counted(case: str, masked: bool) -> None:
    frame = GOOD[case]
    data = frame.bytes(mask=masked)
    sut = scanner(masked=masked)
    assert sut.feed(data) == data
    assert (sut.left, sut.over, sut.fault) == (0, False, None)
    assert sut.messages == (frame.opcode in (TEXT, BINARY))
    assert sut.payload == (len(frame.data) if frame.opcode in (TEXT, BINARY, CONT) else 0)
    assert sut.pings == (frame.opcode == PING)


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("case", BAD)
def test_nothing_of_a_broken_frame_passes_nor_what_follows(case: str, whole: bool) -> None:
    data, code = BAD[case]
    good = Frame(TEXT, b"good").bytes(mask=True)
    data = good + data + b"\0" * 4 + good
    sut = scanner()
    passed = sut.feed(data) if whole else b"".join(sut.feed(data[at : at + 1]) for at in range(len(data)))
    assert passed == good
    assert sut.over
    assert sut.fault is not None
    assert sut.fault[0] == code
    assert sut.feed(good) == b""


def test_a_server_must_not_mask() -> None:
    sut = scanner(masked=False)
    assert sut.feed(Frame(TEXT, b"x").bytes(mask=True)) == b""
    assert sut.fault is not None


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_the_first_frame_of_a_message_may_be_compressed_where_that_was_agreed_on(opcode: int, fin: bool) -> None:
    data = Frame(opcode, b"x" * 200, fin=fin, rsv=4).bytes(mask=True)
    sut = FrameScanner(masked=True, limit=LIMIT, compression=True)
    assert sut.feed(data) == data
    assert (sut.messages, sut.payload, sut.fault) == (1, 200, None)
    assert scanner().feed(data) == b""


@pytest.mark.parametrize(
    "frame", [Frame(CONT, b"x", rsv=4), Frame(PING, rsv=4), Frame(CLOSE, rsv=4), Frame(TEXT, rsv=2), Frame(TEXT, rsv=6)]
)
def test_nothing_else_may_be_marked(frame: Frame) -> None:
    """Neither a later fragment nor a control frame."""
    sut = FrameScanner(masked=True, limit=LIMIT, compression=True)
    assert sut.feed(frame.bytes(mask=True)) == b""
    assert sut.fault is not None
    assert sut.fault[0] == 1002


def test_fragments_share_the_limit_of_their_message() -> None:
    part = Frame(CONT, b"x" * (LIMIT // 2), fin=False).bytes(mask=True)
    sut = scanner()
    assert sut.feed(Frame(TEXT, b"x", fin=False).bytes(mask=True) + part) != b""
    assert sut.feed(part) == b""
    assert sut.fault is not None
    assert sut.fault[0] == 1009


@pytest.mark.parametrize("size", range(1, 13))
def test_nothing_follows_a_close_frame(size: int) -> None:
    close = Frame(CLOSE, b"\x03\xe8bye").bytes(mask=True)
    data = close + Frame(TEXT, b"x").bytes(mask=True)
    sut = scanner()
    passed = b"".join(sut.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert passed == close
    assert (sut.over, sut.left, sut.fault, sut.messages) == (True, 0, None, 0)


def test_what_is_held_back_is_bounded() -> None:
    """A header has 10 bytes before the key, which is skipped as payload is."""
    data = Frame(BINARY, b"x" * 66_000).bytes(mask=True)
    sut = scanner()
    passed = [len(sut.feed(data[at : at + 1])) for at in range(20)]
    assert passed == [0] * 9 + [10] + [1] * 10


frames = st.lists(
    st.builds(
        Frame,
        st.sampled_from([TEXT, BINARY, CONT, PING, PONG]),
        st.sampled_from([0, 1, 5, 125]).map(lambda size: b"x" * size),
    )
    | st.builds(Frame, st.sampled_from([TEXT, BINARY, CONT]), st.sampled_from([b"x" * 126, b"x" * 300]), st.booleans()),
    max_size=12,
)


@given(sent=frames, cuts=st.lists(st.integers(0, 2_000), max_size=12), masked=st.booleans())
def test_boundaries_are_known_after_any_read(sent: list[Frame], cuts: list[int], masked: bool) -> None:
    raw = [frame.bytes(mask=masked) for frame in sent]
    data = b"".join(raw)
    ends = [sum(map(len, raw[: number + 1])) for number in range(len(raw))]
    sut = scanner(masked=masked)
    passed, at = 0, 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        passed += len(sut.feed(data[at:cut]))
        at = cut
        assert at - passed <= 9
        assert sut.left == next((end - passed for end in [0, *ends] if end >= passed), 0)
    assert passed == len(data)
    assert sut.messages == sum(frame.opcode in (TEXT, BINARY) for frame in sent)
    assert sut.payload == sum(len(frame.data) for frame in sent if frame.opcode in (TEXT, BINARY, CONT))


@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_are_judged_alike_in_any_reads(data: bytes, cuts: list[int]) -> None:
    whole, parts = scanner(), scanner()
    passed, at = b"", 0
    for cut in [*sorted(cuts), len(data)]:
        passed += parts.feed(data[at:cut])
        at = max(at, cut)
    assert whole.feed(data) == passed
    assert (whole.fault, whole.over, whole.left) == (parts.fault, parts.over, parts.left)
