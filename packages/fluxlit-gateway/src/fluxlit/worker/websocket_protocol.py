"""WebSockets of a worker: uvicorn's protocol, with bounds.

A frame takes 6 bytes on the way and some microseconds here. uvicorn parses all frames of a read, and gives an
application one message after the other, without a turn of the event loop in between: 20 connections with 250 kB of
empty messages or pings each kept a worker from everything else for so long that it was taken for dead. And it keeps
every fragment of a message as an object, many times as large as what a client put into it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, cast

from websockets.frames import CloseCode, Frame, Opcode

from fluxlit._internal.unfinished_messages import UnfinishedMessage, UnfinishedMessages
from fluxlit._internal.websocket_frames import SLICE, TURN_S
from fluxlit.worker.write_coalescing import CoalescingTransport

logger = logging.getLogger(__name__)


def websocket_protocol(unfinished: UnfinishedMessages) -> type[asyncio.Protocol] | str:  # noqa: C901  (one class)
    """Return what `Config(ws=...)` takes: uvicorn's, with bounds.

    With a uvicorn that has it elsewhere it is uvicorn's alone.

    Args:
        unfinished: budget of all connections. The gateway counts what is sent; here counts what it is unpacked.
    """
    try:
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol  # noqa: PLC0415
    except ImportError:
        logger.warning(
            "Off: the messages of a rerun are not coalesced, and floods of small ones not bounded, because uvicorn has "
            "changed."
        )
        return "websockets-sansio"

    class WorkerWebSocket(WebSocketsSansIOProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._message = UnfinishedMessage(unfinished)
            self._fragments = bytearray()
            self._unparsed = bytearray()
            self._parses_soon = False
            coalescing = CoalescingTransport(cast("asyncio.Transport", transport))
            super().connection_made(cast("asyncio.Transport", coalescing))

        def connection_lost(self, exc: Exception | None) -> None:
            if self._unparsed and not self.close_sent:
                # The last messages of a browser that leaves; one that sends more than a slice of them loses the rest.
                super().data_received(self._next())
            self._unparsed = self._fragments = bytearray()
            self._message.update(0)
            super().connection_lost(exc)

        # Parsing: while no message waits to be taken, and in turns.

        def data_received(self, data: bytes) -> None:
            if not self._unparsed and len(data) <= SLICE and self.queue.empty():  # nearly always
                super().data_received(data)
                return
            self._unparsed += data
            if not self._parses_soon:
                self._parse()

        def _parse(self) -> None:
            self._parses_soon = False
            until = time.perf_counter() + TURN_S
            while self._unparsed and self.queue.empty() and not self._parses_soon and not self.transport.is_closing():
                super().data_received(self._next())
                if time.perf_counter() > until:
                    self._parses_soon = True
                    self.loop.call_soon(self._parse)
            self._hold_back(bool(self._unparsed) or not self.queue.empty())

        def _next(self) -> bytes:
            part = bytes(self._unparsed[:SLICE])
            del self._unparsed[:SLICE]
            return part

        def _hold_back(self, paused: bool) -> None:  # noqa: FBT001  (a state, not an option)
            if paused != self.read_paused and not self.transport.is_closing():
                self.read_paused = paused
                if paused:
                    self.transport.pause_reading()
                else:
                    self.transport.resume_reading()

        async def receive(self) -> Any:
            if not self.queue.empty():
                await asyncio.sleep(0)
            message = await super().receive()
            if self._unparsed and not self._parses_soon:
                self._parse()
            return message

        # Fragments: one buffer, into however many a message was cut.

        def handle_text(self, event: Frame) -> None:
            if event.fin:
                super().handle_text(event)
            else:
                self._begin(event)

        def handle_bytes(self, event: Frame) -> None:
            if event.fin:
                super().handle_bytes(event)
            else:
                self._begin(event)

        def handle_cont(self, event: Frame) -> None:
            self._fragments += event.data
            if not event.fin:
                self._count()
                return
            whole = Frame(self._opcode, bytes(self._fragments))
            self._fragments = bytearray()
            self._message.update(0)
            if self._opcode is Opcode.TEXT:
                super().handle_text(whole)
            else:
                super().handle_bytes(whole)

        def _begin(self, event: Frame) -> None:
            self._opcode = event.opcode
            self._fragments = bytearray(event.data)
            self._count()

        def _count(self) -> None:
            if not self._message.update(len(self._fragments)) and not self.close_sent:
                self.conn.fail(CloseCode.TRY_AGAIN_LATER, "too many unfinished messages")
                self.handle_parser_exception()

    return WorkerWebSocket
