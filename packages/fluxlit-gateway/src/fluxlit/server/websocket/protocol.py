"""WebSockets of every listener: a protocol on `websockets` (RFC 6455)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import uvicorn
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from fluxlit._internal.asgi import Header, Message, Scope, response_headers
from fluxlit._internal.flow_control import FlowControlledProtocol
from fluxlit._internal.unfinished_messages import FREE, UnfinishedMessage, UnfinishedMessages
from fluxlit._internal.websocket_frames import SLICE, TURN_S, LenientProtocol
from fluxlit._internal.websocket_tunnel import TUNNEL, Tunnelling, UpstreamEnd
from fluxlit.server.websocket.tunnel import Tunnel

# The name under which ASGI servers report faults of applications; log filters and error trackers know it.
logger = logging.getLogger("uvicorn.error")

# Bytes that may wait until the application has accepted; a client should send none (RFC 6455 section 4.1).
EARLY = 64 * 1024

# Seconds for the closing handshake, and for a client to read what is left when its connection is closed.
CLOSE_S = 10.0

PING = b"fluxlit"

READING = (State.OPEN, State.CLOSING)

HANDSHAKE = frozenset(
    {
        "websocket.accept",
        "websocket.close",
        "websocket.http.response.start",
        "websocket.http.response.body",
    }
)

KNOWN = frozenset(HTTPStatus)

EXTENSIONS = b"Sec-WebSocket-Extensions"

# Framing and connection are the server's: these headers of an application are dropped.
OF_SERVER = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class ClientDisconnected(OSError):
    """Raised by `send` when the client has left, as ASGI 2.4 demands."""


class Server(LenientProtocol, ServerProtocol):
    """The library's server, which names its version (RFC 6455 section 4.4)."""

    def accept(self, request: Request) -> Response:
        """Respond to a handshake."""
        response = super().accept(request)
        if response.status_code == 400 and request.headers.get_all("Sec-WebSocket-Version") != ["13"]:
            response.headers["Sec-WebSocket-Version"] = "13"
            return replace(response, status_code=426, reason_phrase="Upgrade Required")
        return response


class WebSocketProtocol(FlowControlledProtocol):
    """One WebSocket, once the HTTP protocol has read the handshake's head.

    * Messages that arrived before a broken frame are delivered.
    * Invalid UTF-8 ends the connection with 1007 without a traceback in the log.
    * While the application has messages to take, at most one read more is kept. Each is taken in a turn of the event
      loop of its own, and a read of many frames is parsed in several turns. An unfinished message is bounded by the
      limit for messages, in all its fragments together: 1009.
    * A client that reads nothing gets only the Pong to its last Ping (RFC 6455 section 5.5.3), and is cut off in the
      end; a transport that is only closed waits for it (asyncio's rule).
    * A connection that ends without a Close frame is reported as 1006, not as 1005 (RFC 6455 section 7.1.5).
    * An application that accepts with a connection to an upstream gets no messages: a tunnel has the socket.

    Args:
        config: of the uvicorn server; gives the application and `ws_*`.
        server_state: of the uvicorn server.
        transport: the connection.
        on_lost: called once when the connection is lost.
        unfinished: shared by the connections of a server.
    """

    __slots__ = (
        "__weakref__",
        "_arrived",
        "_awaits_pong",
        "_config",
        "_disconnect",
        "_fragments",
        "_frames",
        "_loop",
        "_messages",
        "_on_lost",
        "_parses_soon",
        "_phase",
        "_pong",
        "_read_paused",
        "_rejection",
        "_size",
        "_state",
        "_text",
        "_timer",
        "_tunnel",
        "_tunnelling",
        "_unfinished",
        "_unparsed",
        "transport",
    )

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: Any,
        transport: asyncio.Transport,
        on_lost: Callable[[], None],
        unfinished: UnfinishedMessages,
    ) -> None:
        super().__init__()
        self._config = config
        self._state = server_state
        self.transport = transport
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._phase = State.CONNECTING
        deflate = ServerPerMessageDeflateFactory(
            server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
        )
        self._frames = Server(
            extensions=[deflate] if config.ws_per_message_deflate else [],
            max_size=config.ws_max_size,
            state=State.OPEN,  # The handshake is parsed already: the library begins with frames.
            logger=logger,
        )
        self._rejection: tuple[int, list[Header], bytes] | None = None
        self._read_paused = False
        self._unparsed = bytearray()
        self._parses_soon = False
        self._fragments = bytearray()
        self._text = False
        self._messages: deque[Message] = deque()
        self._disconnect: Message | None = None
        self._arrived = asyncio.Event()
        self._pong = b""
        self._awaits_pong = False
        self._timer: asyncio.TimerHandle | None = None
        self._tunnelling = Tunnelling()
        self._tunnel: Tunnel | None = None
        # Bytes of fragments, and of the frame that is arriving.
        self._size = 0
        self._unfinished = UnfinishedMessage(unfinished)

    def start(self, scope: Scope) -> None:
        """Respond to a handshake that is not valid, or let the application decide.

        Args:
            scope: the handshake, as an HTTP request.
        """
        self._state.connections.add(self)
        target = b"?".join(part for part in (scope["raw_path"], scope["query_string"]) if part)
        headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        response = self._frames.accept(Request(target.decode("latin-1"), headers))
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._respond(response.status_code, headers_of(response), response.body)
            return
        offers = [offer.strip() for value in headers.get_all("Sec-WebSocket-Protocol") for offer in value.split(",")]
        del scope["method"]
        scope.update(
            type="websocket",
            asgi={"version": "3.0", "spec_version": "2.4"},
            scheme="wss" if scope["scheme"] == "https" else "ws",
            subprotocols=offers,
            extensions={"websocket.http.response": {}},
        )
        scope[TUNNEL] = self._tunnelling
        self._messages.append({"type": "websocket.connect"})
        task = self._loop.create_task(self._run(scope, response))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, unless something before it waits to be taken."""
        if self._phase is not State.CLOSED:
            self._unparsed += data
            if not self._parses_soon:
                self._parse()

    def resume_writing(self) -> None:
        """Let the application write again, after the Pong that was held back."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and self._phase is State.OPEN:
            self.transport.write(pong)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report to the application how the connection ended."""
        if self._phase is State.OPEN:
            self._parse(everything=True)
        self._phase = State.CLOSED
        self._end(CloseCode.ABNORMAL_CLOSURE)
        super().connection_lost(exc)
        self._leave()
        self._stop_timer()
        self._unparsed = self._fragments = bytearray()
        self._unfinished.update(0)
        self._frames.release()

    def _leave(self) -> None:
        self._state.connections.discard(self)
        self._on_lost()

    # What the server calls.

    def shutdown(self) -> None:
        """Close with 1012, service restart; a pending handshake gets 500."""
        if self._tunnel is not None:
            self._phase = State.CLOSING
            self._tunnel.close(CloseCode.SERVICE_RESTART, "", at_once=True)
        elif self._phase is State.OPEN:
            self._frames.send_close(CloseCode.SERVICE_RESTART)
            self._write_frames()
            self._end(CloseCode.SERVICE_RESTART)
            self._close()
        elif self._phase is State.CONNECTING:
            self._reject(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error")
        else:
            self._close()

    # The application's side.

    async def _run(self, scope: Scope, response: Response) -> None:
        async def send(message: Message) -> None:
            await self._send(message, response)

        try:
            await self._config.loaded_app(scope, self._receive, send)
        except ClientDisconnected:
            pass
        except BaseException:  # a server outlives its applications
            logger.exception("Exception in ASGI application\n")
        else:
            if self._phase is State.CONNECTING:
                logger.error("ASGI callable returned without completing handshake.")
        if self._phase is State.CONNECTING:
            self._reject(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error")
        elif self._tunnel is not None:
            if self._phase is State.OPEN:
                self._tunnel.abort()
        elif self._phase is State.OPEN:
            self._close()  # A closing handshake that is under way has a limit of its own.

    async def _receive(self) -> Message:
        """The next message of the client; the one about its end again and again."""
        if self._messages and self._phase is State.OPEN:
            await asyncio.sleep(0)  # Others have a turn between two messages of a flood.
        while not self._messages:
            if self._disconnect is not None:
                return self._disconnect
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        if not (self._messages or self._parses_soon):
            self._parse()
        return message

    async def _send(self, message: Message, response: Response) -> None:
        await self.drain()
        kind = message["type"]
        if self._phase is State.CLOSED:
            raise ClientDisconnected
        if self._tunnel is not None and kind == "websocket.close":
            self._phase = State.CLOSING
            self._tunnel.close(message.get("code", 1000), message.get("reason") or "")
        elif self._phase is State.OPEN and kind == "websocket.send" and self._tunnel is None:
            self._send_message(message.get("bytes"), message.get("text"))
        elif self._phase is State.OPEN and kind == "websocket.close":
            self._start_closing(message.get("code", 1000), message.get("reason") or "")
        elif self._phase is State.CONNECTING and kind in HANDSHAKE:
            self._respond_to_handshake(message, response)
        else:
            raise RuntimeError(f"Unexpected ASGI message {kind!r}: the WebSocket is {self._phase.name.lower()}.")

    def _respond_to_handshake(self, message: Message, response: Response) -> None:
        kind = message["type"]
        if self._rejection is not None and kind == "websocket.http.response.body":
            status, headers, body = self._rejection
            body += message.get("body", b"")
            self._rejection = status, headers, body
            if not message.get("more_body", False):
                self._respond(status, [*headers, *missing(headers, len(body))], body)
        elif self._rejection is not None or kind == "websocket.http.response.body":
            raise RuntimeError(f"Unexpected ASGI message {kind!r} in the response to a handshake.")
        elif kind == "websocket.accept":
            self._accept(message, response)
        elif kind == "websocket.close":
            self._reject(HTTPStatus.FORBIDDEN)
        else:
            self._rejection = message["status"], of_application(message), b""

    def _accept(self, message: Message, response: Response) -> None:
        headers = [*headers_of(response), *of_application(message)]
        if TUNNEL in message:  # The two ends have agreed on theirs.
            agreed = message[TUNNEL].extensions
            headers = [header for header in headers if header[0] != EXTENSIONS] + [(EXTENSIONS, agreed)] * bool(agreed)
        if message.get("subprotocol"):
            headers.append((b"Sec-WebSocket-Protocol", message["subprotocol"].encode("latin-1")))
        self.transport.write(serialize(response.status_code, headers))
        self._phase = State.OPEN
        if TUNNEL in message:
            self._dig(message[TUNNEL])
        else:
            self._schedule_ping()
            self._parse()

    def _dig(self, upstream: UpstreamEnd) -> None:
        """Let the bytes of client and upstream pass each other."""
        config, early = self._config, bytes(self._unparsed)
        self._unparsed.clear()
        self._frames.release()
        self._tunnel = Tunnel(
            self.transport,
            upstream,
            early,
            limit=config.ws_max_size,
            ping=config.ws_ping_interval or 0.0,
            pong=config.ws_ping_timeout or 0.0,
            message=self._unfinished,
            counters=self._tunnelling,
            on_client_lost=self._leave,
            on_over=self._on_tunnel_over,
        )

    def _on_tunnel_over(self) -> None:
        self._tunnel = None
        self._phase = State.CLOSED
        self._end(CloseCode.NO_STATUS_RCVD)

    def _reject(self, status: HTTPStatus, body: str = "") -> None:
        response = self._frames.reject(status, body)
        self._respond(response.status_code, headers_of(response), response.body)

    def _respond(self, status: int, headers: Iterable[Header], body: bytes | bytearray) -> None:
        """Respond to the handshake with something else than a WebSocket."""
        self.transport.write(serialize(status, headers, body))
        self._close()

    def _send_message(self, data: bytes | None, text: str | None) -> None:
        if data is not None:
            self._frames.send_binary(data)
        elif text is not None:
            self._frames.send_text(text.encode())
        self._write_frames()

    def _start_closing(self, code: int, reason: str) -> None:
        self._frames.send_close(code, reason)
        self._write_frames()
        self._end(code, reason)
        self._phase = State.CLOSING
        self._messages.clear()
        self._stop_timer()
        self._timer = self._loop.call_later(CLOSE_S, self._close)
        self._parse()

    # The client's side.

    def _parse(self, *, everything: bool = False) -> None:
        """Parse, in turns, until a message waits; the rest waits as bytes."""
        self._parses_soon = False
        until = time.perf_counter() + TURN_S
        while self._unparsed and self._phase in READING and (everything or not (self._messages or self._parses_soon)):
            part = self._unparsed[:SLICE]
            del self._unparsed[:SLICE]
            self._size += len(part)
            self._frames.receive_data(part)
            for frame in self._frames.events_received():
                if isinstance(frame, Frame):  # Always: there is no handshake left to parse.
                    self._on_frame(frame)
                    self._size = len(self._fragments)
            if (self._size > FREE or self._unfinished.counted) and not self._unfinished.update(self._size):
                self._frames.fail(CloseCode.TRY_AGAIN_LATER, "too many unfinished messages")
            self._write_replies()
            if self._phase is State.OPEN and self._frames.close_expected():
                self._on_close()
            if time.perf_counter() > until and not self._parses_soon:
                self._parses_soon = True
                self._loop.call_soon(self._parse)
        self._hold_back(len(self._unparsed) > (EARLY if self._phase is State.CONNECTING else 0))

    def _on_frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.CLOSE:
            close = Close.parse(frame.data)
            self._end(close.code, close.reason)
            if self._phase is State.CLOSING:
                self._close()
        elif opcode is Opcode.PONG:
            self._awaits_pong = self._awaits_pong and frame.data != PING
        elif opcode is not Opcode.PING:  # The library has its Pong ready.
            self._on_data(frame)

    def _on_data(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        data: bytes | bytearray
        if self._fragments or not frame.fin:
            self._fragments += frame.data  # One buffer, into however many fragments it was cut.
            data = self._fragments
        else:
            data = bytes(frame.data)
        if not frame.fin:
            return
        self._fragments = bytearray()
        if self._disconnect is not None:
            return  # The application has closed.
        try:
            message = {"text": data.decode()} if self._text else {"bytes": bytes(data)}
        except UnicodeDecodeError:
            self._frames.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
        else:
            self._messages.append({"type": "websocket.receive", **message})
            self._arrived.set()

    def _on_close(self) -> None:
        """Close after the client's Close frame or an error of the protocol."""
        if self._disconnect is None:
            self._frames.receive_eof()
            sent = self._frames.close_exc.sent
            self._end(sent.code if sent else CloseCode.ABNORMAL_CLOSURE, sent.reason if sent else "")
        self._close()

    def _end(self, code: int, reason: str = "") -> None:
        """Report the end to the application, once."""
        if self._disconnect is None:
            self._disconnect = {"type": "websocket.disconnect", "code": int(code), "reason": reason}
            self._arrived.set()

    def _hold_back(self, paused: bool) -> None:  # noqa: FBT001  (a state, not an option)
        if paused != self._read_paused and not self.transport.is_closing():
            self._read_paused = paused
            if paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    # Liveness (RFC 6455 section 5.5.2).

    def _schedule_ping(self, already: float = 0.0) -> None:
        interval = self._config.ws_ping_interval
        if interval:
            self._timer = self._loop.call_later(max(0.0, interval - already), self._ping)

    def _ping(self) -> None:
        self._awaits_pong = True
        self._frames.send_ping(PING)
        self._write_frames()
        if self._config.ws_ping_timeout:
            self._timer = self._loop.call_later(self._config.ws_ping_timeout, self._check_pong)
        else:
            self._schedule_ping()

    def _check_pong(self) -> None:
        if self._awaits_pong and not self._unparsed:  # Else the Pong may wait behind what the application leaves.
            self._frames.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
            self._write_frames()
            self._end(CloseCode.ABNORMAL_CLOSURE)
            self._close()
        else:
            self._schedule_ping(already=self._config.ws_ping_timeout or 0.0)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Out.

    def _write(self, data: bytes) -> None:
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def _write_frames(self) -> None:
        self._write(b"".join(self._frames.data_to_send()))

    def _write_replies(self) -> None:
        """Send Pongs; a client that reads none gets the last one (RFC 6455 5.5.3)."""
        replies = self._frames.data_to_send()
        if replies and self.write_paused and not self._frames.close_expected():
            self._pong = replies[-1]
        else:
            self._write(b"".join(replies))

    def _close(self) -> None:
        self._phase = State.CLOSED
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self._timer = self._loop.call_later(CLOSE_S, self.transport.abort)


def headers_of(response: Response) -> list[Header]:
    """The headers of a response of the library."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.raw_items()]


def of_application(message: Message) -> list[Header]:
    """An application's headers for a handshake, without those of the server.

    A Transfer-Encoding beside the server's Content-Length would be a second length (RFC 9112 section 6.3).
    """
    return [header for header in response_headers(message) if header[0].lower() not in OF_SERVER]


def missing(headers: Iterable[Header], length: int) -> list[Header]:
    """What an application's response to a handshake lacks."""
    present = {name.lower() for name, _ in headers}
    defaults = (
        (b"date", formatdate(usegmt=True).encode()),
        (b"connection", b"close"),
        (b"content-length", b"%d" % length),
        (b"content-type", b"text/plain; charset=utf-8"),
    )
    return [header for header in defaults if header[0] not in present]


def serialize(status: int, headers: Iterable[Header], body: bytes | bytearray = b"") -> bytes:
    """A response as bytes.

    Raises:
        RuntimeError: a header could be taken for several.
    """
    lines = [b"%b: %b\r\n" % (name, value) for name, value in headers]  # A pair may be a list as well.
    head = b"".join(lines)
    if head.count(b"\r") != len(lines) or head.count(b"\n") != len(lines) or b"\0" in head:
        raise RuntimeError("The response has an invalid header.")
    reason = HTTPStatus(status).phrase.encode() if status in KNOWN else b""
    return b"".join((b"HTTP/1.1 %d %b\r\n" % (status, reason), head, b"\r\n", body))
