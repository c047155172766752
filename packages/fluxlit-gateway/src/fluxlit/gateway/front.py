"""The public side of the gateway, byte by byte: uvicorn's protocols, held to the letter of RFC 9112 and RFC 6455.

An ASGI application sees a request only after the server has parsed it, so what a server lets through is out of
the application's reach. `fluxlit run` therefore serves with these two classes. Under a plain ``uvicorn app:app``
uvicorn's own are in place; docs/explanation/proxy.md says what differs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from fluxlit.gateway.readers import Patience
from fluxlit.gateway.senders import Delivery
from fluxlit.observe import HEAD
from fluxlit.proxy.frames import CloseAnywhere

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


logger = logging.getLogger("fluxlit.front")


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """What one connection may ask for.

    nginx allows 4 buffers of 8 KiB for the head, one of them for the request line, and 1000 fields.

    Attributes:
        head: bytes of the request line and the fields.
        target: bytes of the path with its query.
        fields: number of fields.
        send: seconds that a client may go without reading anything of its answer.
        head_time: seconds in which a head must arrive whole.
        body_time: seconds that a client may go without sending anything of a body.
    """

    head: int = 64 * 1024
    target: int = 16 * 1024
    fields: int = 256
    send: float = 60.0
    head_time: float = 30.0
    body_time: float = 60.0


DEFAULT_LIMITS = FrontLimits()

# How long a client may go on sending what nobody reads any more, in seconds; nginx's lingering_timeout.
LINGER_S = 5.0

KNOWN_VERSIONS = ("1.1", "1.0")

REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
    505: b"HTTP Version Not Supported",
}


class UntilClose(int):
    """A length that is never reached and never missed: the body ends with the connection (RFC 9112 section 6.3)."""

    def __lt__(self, other: int) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__

    def __sub__(self, other: int) -> UntilClose:
        return self


class Joined:
    """A transport that writes an answer's head together with what follows at once.

    uvicorn writes head and body separately, and each write costs a system call and wakes the peer. The head alone
    is held back until the loop's next turn at most, so an answer without a body yet is not late either.

    Attributes:
        fields: lines that go into the next head that is written; see `fluxlit.observe.answer.HEAD`.
    """

    __slots__ = ("_held", "_loop", "_part", "_transport", "fields")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, part: Callable[[], None]) -> None:
        self._transport = transport
        self._loop = loop
        self._part = part
        self._held: bytes | None = b""
        self.fields = b""

    def write(self, data: bytes) -> None:
        """Write, or keep the first write for a moment."""
        if self.fields:
            data = data[:-2] + self.fields + b"\r\n"  # Before the empty line that ends a head.
            self.fields = b""
        if self._held is None:
            self._transport.write(data)
        elif self._held:
            held, self._held = self._held, None
            self._transport.write(held + data)  # Cheaper than two buffers: at most 256 KiB are copied.
        else:
            self._held = data
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, None
            self._transport.write(held)

    def is_closing(self) -> bool:
        """As the transport itself."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write what is held, then part with the client."""
        self._flush()
        self._part()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with bounds, and without what it lets pass.

    * The head has a limit: 414 for the target, 431 for the fields (RFC 9110 sections 15.5.15 and RFC 6585 section 5).
    * A target with an authority replaces Host (RFC 9112 section 3.2.2); one with a fragment is refused (3.2).
    * Trailers are dropped, not appended to the fields that the application is already reading (RFC 9110 6.5.1).
    * An upgrade to anything but a WebSocket is ignored, and nothing after that request is parsed; with a body it
      is refused, as the parser would take the body for another protocol (RFC 9110 section 7.8). So is a WebSocket.
    * HTTP/1.0 clients get no chunked coding (RFC 9112 section 6.1).
    * A client that reads nothing of its answer is cut off in the end. One that does not complete its head, or falls
      silent in its body, is answered 408 (RFC 9110 section 15.5.9).
    * A client that announces to wait with its body and then does not, as Go's transport does, is not waited for; its
      connection stays usable (RFC 9110 section 10.1.1).
    * A client that is still sending when the last answer is written gets the time to read it: a connection that is
      closed with unread bytes is reset, and the answer is lost (RFC 9112 section 9.6).

    Args:
        limits: what one connection may ask for.
    """

    def __init__(self, *args: Any, limits: FrontLimits = DEFAULT_LIMITS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._patience: Patience | None = None
        self._delivery = Delivery(self.loop, self._late, head=limits.head_time, body=limits.body_time)
        # Bytes of the head that is being read; those that shared a read with the message before are not counted.
        self._head = 0
        self._read = 0
        self._in_head = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._delivery.expect_head()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, unless the head is over its limit."""
        if self._refused:
            return
        self._read = len(data)
        self._head = self._head + self._read if self._in_head else self._read
        if self._in_head and self._head > self._limits.head:
            self._refuse(431 if self.headers else 414)
            return
        super().data_received(data)
        self._await_rest()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket's protocol, if nothing is left to do on it.

        For a body the library would wait, and for ever, as nobody reads it.
        """
        cycle: RequestResponseCycle | None = self.cycle
        if self._announces_body() or (cycle is not None and not cycle.response_complete):
            self._refuse(400)
        else:
            self._refused = True
            super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Check the head, then start the application."""
        self._in_head = False
        self._delivery.end()
        if status := self._objection():
            self._refuse(status)
            raise ValueError(status)  # The parser stops here.
        if self.url[:1] != b"/":
            self._use_authority()
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            joined = Joined(self.transport, self.loop, self._part)
            self.cycle.transport = cast("asyncio.Transport", joined)
            self.scope[HEAD] = joined  # type: ignore[literal-required]  # an addition of ours
            if self.scope["http_version"] == "1.0":
                self.cycle.chunked_encoding = False
                self.cycle.expected_content_length = UntilClose()
        self.headers = self.headers.copy()  # Trailers are added to the copy, and nobody reads it.

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; who sends it unasked does not wait to be asked."""
        if self.cycle.waiting_for_100_continue:
            self.cycle.waiting_for_100_continue = False
            self.scope["headers"] = [field for field in self.scope["headers"] if field[0] != b"expect"]
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; what else was read together with its end is of the next, and nobody knows where it begins."""
        self._head = 0
        self._delivery.end()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed."""
        if not self._refused:
            self._refuse(400)

    def pause_writing(self) -> None:
        """Hold the application back, and watch whether the client reads."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """Let the application write again."""
        super().resume_writing()
        if self._patience is not None:
            self._patience.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the connection's end."""
        self._delivery.end()
        if self._patience is not None:
            self._patience.end()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also where the client has not read its last answer."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def _await_rest(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if self._refused:
            self._delivery.end()
        elif self._in_head or cycle is None or cycle.response_complete:
            self._delivery.expect_head()
        elif cycle.more_body:
            self._delivery.expect_body()

    def _late(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            if self._in_head:
                self._refuse(408)
            else:
                self.transport.close()  # There is no request that an answer could be for.
        elif self.flow.read_paused or cycle.waiting_for_100_continue:
            self._delivery.expect_body()  # It is not the client that is slow.
        elif self._in_head or not cycle.response_started:
            self._refuse(408)

    def _watch_reader(self) -> None:
        if self._patience is None:
            self._patience = Patience(self.transport, self.loop, self._limits.send)
        self._patience.begin()

    def _objection(self) -> int:
        limits = self._limits
        if self._head + self._read > limits.target:  # Only then is it worth adding up.
            if len(self.url) > limits.target:
                return 414
            if sum(len(name) + len(value) for name, value in self.headers) > limits.head:
                return 431
        if len(self.headers) > limits.fields:
            return 431
        if b"#" in self.url:
            return 400
        return 0 if self.parser.get_http_version() in KNOWN_VERSIONS else 505

    def _use_authority(self) -> None:
        parts = urlsplit(self.url.decode("latin-1"))
        if parts.scheme.lower() in ("http", "https") and parts.netloc:
            self.headers[:] = [field for field in self.headers if field[0] != b"host"]
            self.headers.insert(0, (b"host", parts.netloc.rpartition("@")[2].encode("latin-1")))
            target = self.url[self.url.index(b"//") + 2 + len(parts.netloc) :]
            self.url = target if target.startswith(b"/") else b"/" + target

    def _unsupported_upgrade_warning(self) -> None:
        if self._announces_body():
            self.cycle.more_body = True  # There is a body, and it was not read.
            self._refuse(400)
        else:
            self.cycle.keep_alive = False
            self._refused = True

    def _announces_body(self) -> bool:
        framing = {name: value for name, value in self.headers if name in (b"content-length", b"transfer-encoding")}
        return bool(framing) and framing.get(b"content-length") != b"0"

    def _refuse(self, status: int) -> None:
        """Answer before any application is asked, and read nothing more."""
        self._refused = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # The objection is to a later request: earlier ones still get their answers.
                cycle.keep_alive = False
                return
            if cycle.response_started:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        reason = REASONS[status]
        logger.info("A request was refused before any application saw it: %d %s", status, reason.decode())
        date = b"".join(b"%b: %b\r\n" % field for field in self.server_state.default_headers)  # RFC 9110 6.6.1
        self.transport.write(
            b"HTTP/1.1 %d %b\r\n%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b\n" % (status, reason, date, len(reason) + 1, reason)
        )
        self._linger()

    def _part(self) -> None:
        """Close after the last answer, at once if the client has nothing left to send."""
        if self.cycle.more_body:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Write nothing more, and throw away what still comes, until the client has seen that or time is up."""
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self.loop.call_later(LINGER_S, self.transport.close)


class Server(CloseAnywhere, ServerProtocol):
    """The library's server, which tells a client of another version the one that it speaks (RFC 6455 section 4.4)."""

    def accept(self, request: Request) -> Response:
        """Answer a handshake."""
        response = super().accept(request)
        if response.status_code == 400 and request.headers.get_all("Sec-WebSocket-Version") != ["13"]:
            response.headers["Sec-WebSocket-Version"] = "13"
            return replace(response, status_code=426, reason_phrase="Upgrade Required")
        return response


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with the last word given to what came before an error.

    * A Close frame between fragments is a clean close (Autobahn case 7.1.5).
    * Messages that arrived before a broken frame are delivered.
    * Invalid UTF-8 ends the connection with 1007 without a traceback in the log.
    * A peer that reads nothing is cut off in the end; a transport that is only closed waits for it (asyncio's rule).
    * A connection that ends without a Close frame is reported as 1006, not as 1005 (RFC 6455 section 7.1.5).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.conn
        self.conn = Server(
            extensions=offered.available_extensions, max_size=self.config.ws_max_size, logger=offered.logger
        )
        self._application = self.app
        self.app = self._run

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._application(scope, receive, send)
        finally:
            self._give_up_soon()
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # By a refusal, which uvicorn would report as a fault of the application.

    def _give_up_soon(self) -> None:
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self.close_timeout, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Give up a peer that answers no ping, also if it reads nothing either."""
        super().keepalive_timeout()
        self._give_up_soon()

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, then look whether it broke the rules."""
        self.conn.receive_data(data)
        self.handle_events()
        if self.conn.parser_exc is not None and not self.close_sent:
            self.handle_parser_exception()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application how the connection ended."""
        if self.handshake_complete and self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """Hand over one message, and read no more until the application asks for it."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "bytes":
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        else:
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
                self.handle_parser_exception()
                return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
