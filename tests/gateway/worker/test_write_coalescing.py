"""Writes of successive turns of the event loop leave in one piece."""

from __future__ import annotations

import asyncio

import pytest

from fluxlit.worker.write_coalescing import MOST, CoalescingTransport

pytestmark = pytest.mark.anyio


class Connection(asyncio.Transport):
    """Records what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": "gateway"})
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_is_written_turn_after_turn_leaves_at_once_and_in_order() -> None:
    connection = Connection()
    coalescing = CoalescingTransport(connection)
    for number in range(5):
        coalescing.write(b"%d" % number)
        await turns(1)
    await turns()
    assert connection.written == [b"01234"]


async def test_a_single_write_waits_for_two_turns_at_most() -> None:
    connection = Connection()
    coalescing = CoalescingTransport(connection)
    coalescing.write(b"alone")
    await turns(3)
    assert connection.written == [b"alone"]


async def test_later_writes_leave_later() -> None:
    connection = Connection()
    coalescing = CoalescingTransport(connection)
    for data in (b"first", b"second"):
        coalescing.write(data)
        await turns()
    assert connection.written == [b"first", b"second"]


async def test_what_waits_is_bounded() -> None:
    connection = Connection()
    coalescing = CoalescingTransport(connection)
    coalescing.write(b"a")
    coalescing.write(b"b" * MOST)
    assert connection.written == [b"a" + b"b" * MOST]
    coalescing.write(b"c")
    await turns()
    assert connection.written[1:] == [b"c"]


async def test_closing_writes_what_waits_and_nothing_after() -> None:
    connection = Connection()
    coalescing = CoalescingTransport(connection)
    coalescing.write(b"close frame")
    coalescing.close()
    assert connection.written == [b"close frame"]
    assert connection.closed
    coalescing.write(b"too late")
    await turns()
    assert connection.written == [b"close frame"]


async def test_everything_else_is_the_connections_own() -> None:
    coalescing = CoalescingTransport(Connection())
    assert coalescing.get_extra_info("peername") == "gateway"
    assert not coalescing.is_closing()
