"""The upstream end of a WebSocket: sans-I/O `websockets`.

After the handshake the connection is handed over to a tunnel, or messages are relayed. For a relay the library parses
and frames; this protocol only moves bytes, keeps whole messages until the relay takes them, and answers for liveness:
it pings, and gives the connection up when no pong comes (RFC 6455 section 5.5.2). It offers no compression, as both
ends share a machine or a rack; a tunnel may have browser and upstream agree on one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig
from websockets.extensions import ClientExtensionFactory, Extension
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import ExtensionName, Subprotocol
from websockets.uri import parse_uri

from fluxlit._internal.flow_control import FlowControlledProtocol
from fluxlit._internal.websocket_frames import LenientProtocol
from fluxlit._internal.websocket_tunnel import UpstreamEnd
from fluxlit.proxy.errors import UpstreamDisconnectedError, UpstreamError, UpstreamProtocolError
from fluxlit.proxy.upstream_pool import ProxyLimits

# The library wants an address for the request that it would write; the relay writes its own.
NOWHERE = parse_uri("ws://upstream/")

SWITCHING = b"HTTP/1.1 101"
MAX_HEAD = 64 * 1024

# One message at a time: its log lines would carry the subprotocol offer, and that holds tokens.
quiet = logging.getLogger("fluxlit.proxy.websockets")
quiet.setLevel(logging.CRITICAL)


class Client(LenientProtocol, ClientProtocol):
    """The library's client."""


class BrowsersOffer(ClientExtensionFactory):
    """Compression that the browser has offered, and not this end."""

    name = ExtensionName("permessage-deflate")

    def get_request_params(self) -> list[tuple[str, str | None]]:
        """Nothing: the browser's own header is sent."""
        return []

    def process_response_params(self, params: object, accepted_extensions: object) -> Extension:
        """Accept all: the browser is the one to judge."""
        return Extension()


class UpstreamWebSocket(FlowControlledProtocol):
    """One WebSocket connection to the upstream.

    Attributes:
        subprotocol: what the upstream chose.
        close: the upstream's closing code and reason once it has closed.
        overrun: resolved when more than the backlog's limit waits to be taken.
    """

    transport: asyncio.Transport

    def __init__(self, offer: list[str], limits: ProxyLimits, *, compression: bool = False) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._socket = Client(
            NOWHERE,
            subprotocols=[Subprotocol(name) for name in offer] or None,
            extensions=[BrowsersOffer()] if compression else None,
            max_size=limits.ws_message,
            logger=quiet,
        )
        # The upstream's part of the handshake until it is complete, then what came after it.
        self._early: bytearray | None = bytearray()
        self._refused = False
        self._response: Response | None = None
        self._failure: UpstreamError | None = None
        self._messages: deque[bytes | str] = deque()
        self._backlog = 0
        self._fragments = bytearray()
        self._text = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pinged = False
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self.close: Close | None = None
        self.overrun: asyncio.Future[None] = self._loop.create_future()

    @property
    def key(self) -> bytes:
        """Value of Sec-WebSocket-Key for this connection's request."""
        return self._socket.key.encode("ascii")

    @property
    def subprotocol(self) -> str | None:
        return self._socket.subprotocol

    # The relay's side.

    async def open(self, head: bytes) -> Response:
        """Send the handshake and return the upstream's response, of any status.

        Raises:
            UpstreamDisconnectedError: the upstream closed instead.
            UpstreamProtocolError: the response breaks RFC 6455 section 4.1.
        """
        self.transport.write(head)
        while self._response is None:
            await self._wait()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                try:
                    raise failure
                finally:
                    del failure  # It refers to this frame.
        # Not its state: an upstream may have said something, and even closed, in the same read.
        if self._response.status_code == 101 and self._socket.handshake_exc is not None:
            raise UpstreamProtocolError(f"the upstream's WebSocket handshake is wrong: {self._socket.handshake_exc}")
        return self._response

    def hand_over(self) -> UpstreamEnd:
        """Hand the connection over, after a handshake that succeeded."""
        assert self._response is not None
        limits, early = self._limits, bytes(self._early or b"")
        self._socket.release()
        return UpstreamEnd(
            self.transport,
            early,
            limits.ws_ping,
            limits.ws_pong,
            limits.ws_close,
            limits.ws_message,
            limits.ws_backlog,
            ", ".join(self._response.headers.get_all("Sec-WebSocket-Extensions")).encode("latin-1"),
        )

    def start(self) -> None:
        """Take messages, after a handshake that succeeded."""
        early, self._early = bytes(self._early or b""), None
        self._schedule_ping()
        self.transport.resume_reading()
        if early:
            self.data_received(early)

    async def next(self) -> bytes | str | None:
        """The next message, or `None` after the last one of a closed upstream."""
        while not self._messages:
            if self.close is not None:
                return None
            await self._wait()
        message = self._messages.popleft()
        self._backlog -= len(message)
        return message

    async def send(self, message: bytes | str) -> None:
        """Send one whole message; waits while the transport's buffer is full."""
        if self._socket.state is not State.OPEN:
            return
        if isinstance(message, str):
            self._socket.send_text(message.encode())
        else:
            self._socket.send_binary(message)
        self._flush()
        await self.drain()

    async def shut(self, code: int, reason: str) -> None:
        """Do the closing handshake within the timeout.

        Args:
            code: closing code of the browser; one that must not be sent is replaced (RFC 6455 section 7.4.1).
            reason: its reason.
        """
        if self._socket.state is State.OPEN:
            if code == CloseCode.NO_STATUS_RCVD:
                self._socket.send_close()
            elif sendable(code):
                self._socket.send_close(code, reason)
            else:
                self._socket.send_close(CloseCode.GOING_AWAY)
            self._flush()
        try:
            async with asyncio.timeout(self._limits.ws_close):
                await asyncio.shield(self._lost)
        except TimeoutError:
            self.transport.abort()

    def abort(self) -> None:
        """Cut the connection at once."""
        self.transport.abort()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            self._parse_handshake(self._early)
            return
        self._pinged = False
        self._socket.receive_data(data)
        for event in self._socket.events_received():
            if isinstance(event, Frame):
                self._frame(event)
        if self._socket.writes:
            self._flush()
        if self._socket.parser_exc is not None:
            code = CloseCode.MESSAGE_TOO_BIG if isinstance(self._socket.parser_exc, PayloadTooBig) else 1002
            self._end(Close(code, "the upstream's message is not valid" if code == 1002 else "message too big"))
        self._wake()

    def eof_received(self) -> None:
        self._socket.receive_eof()
        if self._refused and self._response is None:
            self._take_response()  # Its body had no length.

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fail(UpstreamDisconnectedError("the upstream closed during the WebSocket handshake", untouched=True))
        # 1006 stands for a connection that ended without a word; it never travels (RFC 6455 section 7.4.1).
        self._end(Close(CloseCode.ABNORMAL_CLOSURE, ""))
        self._lost.set_result(None)
        self._wake()
        super().connection_lost(exc)
        self._socket.release()

    # Inside.

    def _parse_handshake(self, early: bytearray) -> None:
        """Parse a response; frames after it are not for the library yet."""
        if self._response is not None:
            return
        if not self._refused and (early.startswith(SWITCHING) or SWITCHING.startswith(early)):
            end = early.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(early) > MAX_HEAD:
                    self._fail(UpstreamProtocolError("the upstream's WebSocket handshake is too long"))
                return
            self.transport.pause_reading()
        else:
            self._refused = True
            end = len(early)
        self._socket.receive_data(bytes(early[:end]))
        del early[:end]
        self._take_response()

    def _take_response(self) -> None:
        for event in self._socket.events_received():
            if isinstance(event, Response):
                self._response = event
        if self._socket.handshake_exc is not None:
            self._fail(UpstreamProtocolError("the upstream's WebSocket handshake is not valid HTTP"))
        self._wake()

    def _fail(self, failure: UpstreamError) -> None:
        """End the handshake, unless there is a response."""
        if self._response is None and self._failure is None:
            self._failure = failure
            self._wake()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.CLOSE:
            self._end(cast("Close", self._socket.close_rcvd))
            return
        if opcode is Opcode.PING or opcode is Opcode.PONG:
            return
        data = frame.data
        if opcode is not Opcode.CONT:
            self._text = opcode is Opcode.TEXT
        if self._fragments or not frame.fin:
            self._fragments += data  # One buffer: a message may come in any number of fragments, empty ones too.
            data = self._fragments
        if frame.fin:
            self._fragments = bytearray()
            self._deliver(bytes(data))

    def _deliver(self, data: bytes) -> None:
        if self._text:
            try:
                message: bytes | str = data.decode()
            except UnicodeDecodeError:
                self._socket.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
                self._flush()
                self._end(Close(CloseCode.INVALID_DATA, "invalid UTF-8"))
                return
        else:
            message = data
        messages = self._messages
        # The first message in the queue may be as long as it likes: it is taken as soon as the relay has its turn.
        if messages and self._backlog - len(messages[0]) > self._limits.ws_backlog and not self.overrun.done():
            self.overrun.set_result(None)
        messages.append(message)
        self._backlog += len(message)

    def _end(self, close: Close) -> None:
        if self.close is None:
            self.close = close

    def _flush(self) -> None:
        for data in self._socket.data_to_send():
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.transport.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _schedule_ping(self, already: float = 0.0) -> None:
        if self._limits.ws_ping:
            self._timer = self._loop.call_later(max(0.0, self._limits.ws_ping - already), self._ping)

    def _ping(self) -> None:
        if self._socket.state is not State.OPEN:
            return
        self._pinged = True
        self._socket.send_ping(b"fluxlit")
        self._flush()
        self._timer = self._loop.call_later(self._limits.ws_pong, self._miss)

    def _miss(self) -> None:
        if self._pinged:
            self.transport.abort()
        else:
            self._schedule_ping(already=self._limits.ws_pong)


def sendable(code: int) -> bool:
    """Whether a code may be sent in a Close frame (RFC 6455 section 7.4)."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999
