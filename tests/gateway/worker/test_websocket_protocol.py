"""What a client sends over a WebSocket costs a worker little."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.unfinished_messages import FREE, UnfinishedMessages
from fluxlit.server.uvicorn_server import served
from fluxlit.worker.websocket_protocol import websocket_protocol
from tests.gateway.proxy.harness import Client, PromptServer, until
from tests.gateway.proxy.websocket import BINARY, CONT, PING, PONG, TEXT, Frame, Wire, close, handshake, until_close

pytestmark = pytest.mark.anyio

LARGEST = 1024 * 1024
EMPTY = Frame(BINARY).bytes(mask=True)
MANY = 20_000

Connect = Callable[..., Awaitable[Wire]]


class Application:
    """Accepts, and keeps what it receives.

    Attributes:
        received: messages, in their order.
        codes: of connections that have ended.
        turns: of the event loop.
        taking: messages are taken.
        connections: of the server.
    """

    def __init__(self) -> None:
        self.received: list[bytes | str] = []
        self.codes: list[int] = []
        self.turns = 0
        self.taking = asyncio.Event()
        self.taking.set()
        self.connections: set[Any] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await self.taking.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self.codes.append(message["code"])
                return
            text = message.get("text")
            self.received.append(message["bytes"] if text is None else text)

    async def count_turns(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def worker(most: int = 8 * LARGEST, **options: Any) -> AsyncIterator[tuple[Application, Connect]]:
    application = Application()
    protocol: Any = websocket_protocol(UnfinishedMessages(most))
    config = uvicorn.Config(
        application, ws=protocol, ws_max_size=LARGEST, ws_ping_interval=None, log_config=None, lifespan="off", **options
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = PromptServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await served(server, serving)
    application.connections = server.server_state.connections
    clients: list[Client] = []

    async def connect(*fields: str) -> Wire:
        client = Client(*await asyncio.open_connection("127.0.0.1", listener.getsockname()[1]))
        clients.append(client)
        assert (await client.ask_head(handshake(*fields))).status == 101
        return Wire(client, mask=True)

    try:
        yield application, connect
    finally:
        for client in clients:
            client.abort()
        application.taking.set()
        await until(lambda: not server.server_state.connections)
        server.stopping.set()
        await serving


async def test_messages_arrive_as_they_were_sent() -> None:
    async with worker() as (application, connect):
        wire = await connect()
        await wire.send(Frame(TEXT, b"one"), Frame(BINARY), Frame(TEXT, b"tw", fin=False), Frame(PING, b"?"))
        await wire.send(Frame(CONT, b"", fin=False), Frame(CONT, b"o"), Frame(BINARY, bytes(LARGEST)))
        await wire.send(Frame(BINARY, b"a", fin=False), Frame(CONT, b"b"), close(1001, "bye"))
        assert [(await wire.frame()).data for _ in range(2)] == [b"?", b"\x03\xe9bye"]
        await until(lambda: application.codes)
    assert application.received == ["one", b"", "two", bytes(LARGEST), b"ab"]
    assert application.codes == [1001]


async def test_messages_that_wait_are_taken_before_the_end_of_the_connection() -> None:
    async with worker() as (application, connect):
        application.taking.clear()
        wire = await connect()
        await wire.send(*[Frame(TEXT, b"%d" % number) for number in range(2000)], close(1000))
        application.taking.set()
        assert (await until_close(wire)).code == 1000
        await until(lambda: application.codes)
    assert application.received == [str(number) for number in range(2000)]


@pytest.mark.parametrize("flood", [EMPTY, Frame(PING).bytes(mask=True)], ids=["messages", "pings"])
async def test_a_flood_leaves_the_event_loop_to_others(flood: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection is served in between."""
    monkeypatch.setattr("fluxlit.worker.websocket_protocol.TURN_S", 0)  # however fast the machine
    async with worker() as (application, connect):
        wire, other = await connect(), await connect()
        counting = asyncio.create_task(application.count_turns())
        began = application.turns
        wire.end.writer.write(flood * MANY + Frame(TEXT, b"last").bytes(mask=True))
        await other.send(Frame(TEXT, b"other"))
        await until(lambda: "last" in application.received)
        counting.cancel()
        assert application.received.index("other") < MANY / 2
        assert application.turns - began > (MANY if flood == EMPTY else 10)


async def test_what_waits_to_be_parsed_is_not_kept_as_messages() -> None:
    async with worker() as (application, connect):
        application.taking.clear()
        wire = await connect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await wire.end.send(EMPTY * MANY)
            await until(lambda: any(each.read_paused for each in application.connections))
            assert tracemalloc.get_traced_memory()[0] - before < MANY * 50
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"a"], ids=["empty", "one byte"])
async def test_fragments_of_a_message_take_no_more_than_the_message(data: bytes) -> None:
    async with worker() as (application, connect):
        wire = await connect()
        await wire.send(Frame(BINARY, b"first", fin=False))
        part = Frame(CONT, data, fin=False).bytes(mask=True)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await wire.end.send(part * 2 * MANY)
            await wire.send(Frame(PING, b"read"))
            assert (await wire.frame()).data == b"read"
            assert tracemalloc.get_traced_memory()[0] - before < 200_000
        finally:
            tracemalloc.stop()
        await wire.send(Frame(CONT, b"last"))
        await until(lambda: application.received)
    assert application.received == [b"first" + data * 2 * MANY + b"last"]


def squeezed(data: bytes) -> bytes:
    """A part of a message as permessage-deflate sends it (RFC 7692 7.2.1)."""
    packing = zlib.compressobj(wbits=-12)
    return packing.compress(data) + packing.flush(zlib.Z_SYNC_FLUSH)


async def test_what_unpacks_to_much_counts_as_much() -> None:
    """Unfinished messages have a budget together; the one over it ends."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    begun = Frame(BINARY, squeezed(bytes(LARGEST - 1)), fin=False, rsv=4)
    assert len(begun.data) < FREE
    async with worker(3 * LARGEST, ws_per_message_deflate=True) as (application, connect):
        wires = [await connect(offer) for _ in range(3)]
        for wire in wires:
            await wire.send(begun, Frame(PING))
            assert (await wire.frame()).opcode == PONG
        late = await connect(offer)
        await late.send(begun)
        assert (await until_close(late)).code == 1013
        wires[0].end.abort()
        await until(lambda: len(application.codes) == 2)
        later = await connect(offer)
        await later.send(begun, Frame(CONT, b"", rsv=0))
        await until(lambda: application.received)
    assert application.received == [bytes(LARGEST - 1)]


def test_another_uvicorn_costs_these_bounds_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn.protocols.websockets.websockets_sansio_impl", None)
    assert websocket_protocol(UnfinishedMessages(0)) == "websockets-sansio"
    assert "messages of a rerun are not coalesced" in caplog.text
