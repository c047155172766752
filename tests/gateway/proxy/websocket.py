"""A WebSocket client and a scripted WebSocket upstream, frame by frame."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.gateway.proxy.harness import DEADLINE, End, Message, Peer, Script, Stage

LOOPS = {name: ("asyncio", {"use_uvloop": name == "uvloop"}) for name in ("uvloop", "asyncio")}

WAYS = [
    pytest.param(LOOPS[loop], way, id=f"{way}-{loop}")
    for way, loop in (("tunnel", "uvloop"), ("tunnel", "asyncio"), ("relay", "asyncio"))
]
BOTH_WAYS = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("in_that_way"),
    pytest.mark.parametrize(("anyio_backend", "way"), WAYS),
]
"""Marks of tests that hold for a tunnel, and for the relay under other servers."""

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


@dataclass
class Frame:
    """One frame as it stood on the wire."""

    opcode: int
    data: bytes = b""
    fin: bool = True
    rsv: int = 0
    masked: bool = False

    @property
    def code(self) -> int | None:
        """The code of a Close frame, `None` if it has none."""
        return struct.unpack("!H", self.data[:2])[0] if self.data else None

    @property
    def reason(self) -> str:
        return self.data[2:].decode()

    def bytes(self, *, mask: bool) -> bytes:
        """What stands on the wire."""
        size = len(self.data)
        head = bytes([(self.fin << 7) | (self.rsv << 4) | self.opcode])
        flag = 0x80 if mask else 0
        if size < 126:
            head += bytes([flag | size])
        elif size < 65536:
            head += struct.pack("!BH", flag | 126, size)
        else:
            head += struct.pack("!BQ", flag | 127, size)
        if not mask:
            return head + self.data
        # A key of zeros leaves the data as it is, and big messages quick.
        key = b"\0\0\0\0" if size > 65536 else os.urandom(4)
        return (
            head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(self.data))
            if any(key)
            else head + key + self.data
        )


def close(code: int | None, reason: str = "") -> Frame:
    return Frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


class Wire:
    """Frames over one end of a connection."""

    def __init__(self, end: End, *, mask: bool) -> None:
        self.end = end
        self.mask = mask

    async def send(self, *frames: Frame) -> None:
        await self.end.send(b"".join(frame.bytes(mask=self.mask) for frame in frames))

    async def frame(self) -> Frame:
        """Read one frame."""
        reader = self.end.reader
        async with asyncio.timeout(DEADLINE):
            first, second = await reader.readexactly(2)
            size = second & 127
            if size == 126:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await reader.readexactly(8))
            masked = bool(second & 128)
            key = await reader.readexactly(4) if masked else b""
            data = await reader.readexactly(size)
        if masked:
            wide = int.from_bytes(data, "big") ^ int.from_bytes((key * (size // 4 + 1))[:size], "big")
            data = wide.to_bytes(size, "big")
        return Frame(first & 15, data, bool(first & 128), (first >> 4) & 7, masked)

    async def message(self) -> Frame:
        """Read one message from its fragments; pings are answered."""
        parts: list[Frame] = []
        while True:
            frame = await self.frame()
            if frame.opcode == CLOSE:
                return frame
            if frame.opcode == PING:
                await self.send(Frame(PONG, frame.data))
            if frame.opcode in (PING, PONG):
                continue
            parts.append(frame)
            if frame.fin:
                return Frame(parts[0].opcode, b"".join(part.data for part in parts))


def handshake(*fields: str, target: str = "/ws", key: str | None = None) -> bytes:
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {target} HTTP/1.1", "Host: public.example", "Connection: keep-alive, Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def accept(request: Message, *fields: bytes) -> bytes:
    """The upstream's 101."""
    token = request.all(b"sec-websocket-key")[0] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    lines += [b"Sec-WebSocket-Accept: " + base64.b64encode(hashlib.sha1(token).digest()), *fields, b"", b""]
    return b"\r\n".join(lines)


def accepting(play: Callable[[Wire], Awaitable[None]], *fields: bytes, seen: list[Message] | None = None) -> Script:
    """A script that accepts the handshake and then plays."""

    async def script(peer: Peer) -> None:
        request = await peer.head()
        if seen is not None:
            seen.append(request)
        await peer.send(accept(request, *fields))
        await play(Wire(peer, mask=False))

    return script


async def echo(wire: Wire) -> None:
    """Send every message back and answer a Close frame."""
    while (message := await wire.message()).opcode != CLOSE:
        await wire.send(message)
    await wire.send(message)


async def collect(wire: Wire, into: list[Frame]) -> None:
    """Keep every frame; end at a Close frame with the same, as a server does."""
    with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        while not into or into[-1].opcode != CLOSE:
            into.append(await wire.frame())
        await wire.send(Frame(CLOSE, into[-1].data))


async def until_close(wire: Wire) -> Frame:
    """Read frames up to a Close frame.

    A tunnel passes fragments on as they come.
    """
    while (frame := await wire.frame()).opcode != CLOSE:
        pass
    return frame


async def connect(scene: Stage, *fields: str, target: str = "/ws") -> Wire:
    """Open a WebSocket through the proxy."""
    client = await scene.client(limit=2**20)
    answer = await client.ask_head(handshake(*fields, target=target))
    assert answer.status == 101, answer
    return Wire(client, mask=True)
