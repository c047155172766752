"""Connections to the upstream.

Nothing of a closed one is left for the garbage collector.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest

from fluxlit.proxy import upstream_pool, websocket_relay
from fluxlit.proxy.connection import Connection
from fluxlit.proxy.upstream_websocket import UpstreamWebSocket
from tests.gateway.proxy.harness import Peer, answering, get, stage, until
from tests.gateway.proxy.websocket import TEXT, Frame, accepting, close, connect, echo, handshake

pytestmark = pytest.mark.anyio

SEEN: list[weakref.ref[Any]] = []


class KnownConnection(Connection):
    __slots__ = ("__weakref__",)

    def __init__(self) -> None:
        super().__init__()
        SEEN.append(weakref.ref(self))


class KnownLeg(UpstreamWebSocket):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        SEEN.append(weakref.ref(self))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    SEEN.clear()
    monkeypatch.setattr(upstream_pool, "Connection", KnownConnection)
    monkeypatch.setattr(websocket_relay, "UpstreamWebSocket", KnownLeg)


async def freed() -> None:
    assert SEEN
    await until(lambda: not any(each() for each in SEEN))


async def test_a_connection_is_freed_when_it_is_closed() -> None:
    script, _ = answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\na: b\r\n\r\n")
    gc.disable()
    try:
        async with stage(script) as scene:
            assert (await (await scene.client()).ask(get())).body == b"ok"
            await scene.upstream.close()
            await freed()
    finally:
        gc.enable()


@pytest.mark.parametrize("last", [close(1000), Frame(3, b"x")], ids=["closed", "broken"])
async def test_a_websocket_is_freed_when_it_is_closed(last: Frame) -> None:
    gc.disable()
    try:
        async with stage(accepting(echo)) as scene:
            wire = await connect(scene)
            await wire.send(Frame(TEXT, b"x"))
            assert (await wire.message()).data == b"x"
            await wire.send(last)
            await wire.end.rest()
            await freed()
    finally:
        gc.enable()


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n", b"HTTP/1.1 403 X\r\n\r\nno"])
async def test_a_handshake_that_fails_leaves_nothing(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error refers to the frames that it passed.

    Those refer to the connection.
    """
    monkeypatch.setattr(logging.getLogger("fluxlit.proxy"), "disabled", True)  # pytest keeps what is logged.

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)

    gc.disable()
    try:
        async with stage(script) as scene:
            client = await scene.client()
            assert (await client.ask_head(handshake())).status == (403 if b"403" in answer else 502)
            await client.rest()
            await freed()
    finally:
        gc.enable()


async def test_trailers_of_an_answer_without_end_are_an_error() -> None:
    """They are dropped, but a single one would be collected by the parser."""
    cut = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\na: ")
        try:
            for _ in range(100):
                await peer.send(b"b" * 65_536)
        except (ConnectionError, TimeoutError):
            cut.set()

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(get())
        assert not (await client.rest()).endswith(b"0\r\n\r\n")
        await until(cut.is_set)
