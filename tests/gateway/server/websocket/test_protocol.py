"""WebSockets of the server's own protocol."""

from __future__ import annotations

import asyncio

import pytest

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import Client, served_by_uvicorn, until
from tests.gateway.proxy.websocket import BINARY, PING, TEXT, Frame, Wire, handshake

pytestmark = pytest.mark.anyio

MANY = 20_000
FLOODS = {"messages": Frame(BINARY), "pings": Frame(PING)}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_leaves_the_event_loop_to_others(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection is served in between."""
    monkeypatch.setattr("fluxlit.server.websocket.protocol.TURN_S", 0)  # however fast the machine
    received: list[str | None] = []
    turns = 0

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            received.append(message.get("text"))

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with served_by_uvicorn(application, Settings(log_level="critical")) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        wires = [Wire(Client(*await asyncio.open_connection("127.0.0.1", port)), mask=True) for _ in range(2)]
        for wire in wires:
            assert isinstance(wire.end, Client)
            assert (await wire.end.ask_head(handshake())).status == 101
        counting = asyncio.create_task(count())
        began = turns
        wires[0].end.writer.write(FLOODS[kind].bytes(mask=True) * MANY + Frame(TEXT, b"last").bytes(mask=True))
        await wires[1].send(Frame(TEXT, b"other"))
        await until(lambda: "last" in received)
        counting.cancel()
        for wire in wires:
            wire.end.abort()
        await until(lambda: not server.server_state.connections)
    assert received.index("other") < MANY / 2
    assert turns - began > (MANY if kind == "messages" else 10)
