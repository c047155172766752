"""The public side of the gateway, byte by byte: uvicorn's HTTP protocol, held to the letter of RFC 9112.

An ASGI application sees a request only after the server has parsed it, so what a server lets through is out of
the application's reach. `fluxlit run` therefore serves with this class, and with that of `websocket`. Under a plain
``uvicorn app:app`` uvicorn's own are in place; docs/explanation/proxy.md says what differs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fluxlit._internal.asgi import Scope
from fluxlit.observability.request_record import ANSWER
from fluxlit.server.http.read_timeout import Delivery
from fluxlit.server.http.request_response import Cycle, Heads
from fluxlit.server.http.write_timeout import Patience

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


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with bounds, and without what it lets pass.

    * The head has a limit: 414 for the target, 431 for the fields (RFC 9110 sections 15.5.15 and RFC 6585 section 5).
    * A target with an authority replaces Host (RFC 9112 section 3.2.2); one with a fragment is refused (3.2).
    * Trailers are dropped, not appended to the fields that the application is already reading (RFC 9110 6.5.1).
    * An upgrade to anything but a WebSocket is ignored, and nothing after that request is parsed; with a body it
      is refused, as the parser would take the body for another protocol (RFC 9110 section 7.8). So is a WebSocket.
    * A client that reads nothing of its answer is cut off in the end. One that does not complete its head, or falls
      silent in its body, is answered 408 (RFC 9110 section 15.5.9).
    * A client that announces to wait with its body and then does not, as Go's transport does, is not waited for; its
      connection stays usable (RFC 9110 section 10.1.1).
    * A client that is still sending when the last answer is written gets the time to read it: a connection that is
      closed with unread bytes is reset, and the answer is lost (RFC 9112 section 9.6).

    Args:
        limits: what one connection may ask for.
        heads: shared by the connections of a server.

    Attributes:
        cycle: the last request; `None` before the first one.
        pipeline: requests that came before the answer to an earlier one, newest first.
    """

    cycle: Cycle | None  # type: ignore[assignment]  # not uvicorn's
    pipeline: deque[Cycle]  # type: ignore[assignment]

    def __init__(
        self, *args: Any, limits: FrontLimits = DEFAULT_LIMITS, heads: Heads | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.heads = heads or Heads()
        self._limits = limits
        self._idle_since = 0.0
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
        cycle = self.cycle
        if self._announces_body() or (cycle is not None and not cycle.response_complete):
            self._refuse(400)
        else:
            self._refused = True
            if self.timeout_keep_alive_task is not None:
                self.timeout_keep_alive_task.cancel()
            super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Check the head, then start the application."""
        self._in_head = False
        self._delivery.end()
        version = self.parser.get_http_version()
        if status := self._objection(version):
            self._refuse(status)
            raise ValueError(status)  # The parser stops here.
        if self.url[:1] != b"/" and not self._use_authority():
            self._refuse(400)
            raise ValueError(400)
        scope: Scope = self.scope  # type: ignore[assignment]  # a dict of one kind or the other
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        raw_path, _, scope["query_string"] = self.url.partition(b"?")
        path = raw_path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        cycle = scope[ANSWER] = Cycle(self, scope, keep_alive=keep_alive, expects=self.expect_100_continue)
        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start(cycle)
        else:
            # Its answer has to wait for those before it, and there is no use in reading on.
            self.flow.pause_reading()
            self.pipeline.appendleft(cycle)
        self.headers = self.headers.copy()  # Trailers are added to the copy, and nobody reads it.

    def _start(self, cycle: Cycle) -> None:
        task = self.loop.create_task(cycle.run_asgi(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; who sends it unasked does not wait to be asked."""
        if self.cycle is not None and self.cycle.waiting_for_100_continue:
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
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)
        self.cycle = None  # It leads back here, and so does the scope.
        self.scope = {}  # type: ignore[typeddict-item]

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it.

        One timer is left running and looks, when it is due, since when the connection has been idle: to cancel one
        and start another for each request costs as much as parsing it.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start(self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_in(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        """Something has come: the connection is not idle any more."""
        self._idle_since = 0.0

    def _look_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it is idle for too long, also where the client has not read its last answer."""
        self.timeout_keep_alive_task = None
        rest = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._idle_since and rest > 0:
            self._look_in(rest)
        elif self._idle_since:
            self.transport.close()
            self._watch_reader()

    def _await_rest(self) -> None:
        cycle = self.cycle
        if self._refused:
            self._delivery.end()
        elif self._in_head or cycle is None or cycle.response_complete:
            self._delivery.expect_head()
        elif cycle.more_body:
            self._delivery.expect_body()

    def _late(self) -> None:
        cycle = self.cycle
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

    def _objection(self, version: str) -> int:
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
        return 0 if version in KNOWN_VERSIONS else 505

    def _use_authority(self) -> bool:
        """Read a target that is no path; whether it is a valid one (RFC 9112 section 3.2)."""
        parts = urlsplit(self.url.decode("latin-1"))
        if parts.scheme.lower() in ("http", "https") and parts.netloc:
            self.headers[:] = [field for field in self.headers if field[0] != b"host"]
            self.headers.insert(0, (b"host", parts.netloc.rpartition("@")[2].encode("latin-1")))
            target = self.url[self.url.index(b"//") + 2 + len(parts.netloc) :]
            self.url = target if target.startswith(b"/") else b"/" + target
        return self.url[:1] == b"/" or self.url == b"*"

    def _unsupported_upgrade_warning(self) -> None:
        assert self.cycle is not None
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
        cycle = self.cycle
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

    def part(self) -> None:
        """Close after the last answer, at once if the client has nothing left to send."""
        if self.cycle is not None and self.cycle.more_body:
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
