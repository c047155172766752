"""HTTP/1.1 of every listener: an asyncio protocol on httptools (RFC 9112).

An ASGI application sees a request only after the server has parsed it, so what a server lets through is out of
the application's reach. `fluxlit run` therefore serves with this class, and with that of `websocket`. Under a plain
``uvicorn app:app`` uvicorn's own are in place; docs/explanation/proxy.md lists what differs.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from functools import partial
from socket import socket
from typing import Any, Protocol, cast
from urllib.parse import unquote

import httptools
import uvicorn

from fluxlit._internal.asgi import Header, Scope
from fluxlit._internal.flow_control import FlowControlledProtocol
from fluxlit._internal.unfinished_messages import UnfinishedMessages
from fluxlit.observability.request_record import ANSWER
from fluxlit.server.http.connection_caps import ConnectionCaps
from fluxlit.server.http.read_timeout import ReadTimeout, Waiting
from fluxlit.server.http.request_head import (
    DEFAULT_LIMITS,
    KNOWN_VERSIONS,
    TRANSFER_ENCODING,
    HttpLimits,
    objection_to_coding,
    origin_form,
    size_of,
)
from fluxlit.server.http.request_response import (
    REASONS,
    STATUS_LINES,
    RequestResponseCycle,
    date_line,
)
from fluxlit.server.http.write_timeout import WriteTimeout
from fluxlit.server.websocket.protocol import WebSocketProtocol

logger = logging.getLogger("fluxlit.http")


# How long a client may go on sending what is not read any more, in seconds; nginx's lingering_timeout.
LINGER_S = 5.0

# Seconds between two looks whether an idle client has all that was sent over TLS.
TLS_END_S = 0.1

# The length of an empty queue, as the kernel reports it.
NOTHING = bytes(4)

# Requests that may wait on one connection for the response to an earlier one. Browsers send none, pipelining tools 16.
MAX_PIPELINED = 32

# Bytes of its line that each chunk brings along unpunished: Go's net/http has the same allowance.
CHUNK_LINE = 16

# Takes the headers after a body, and keeps none: they must not be merged (RFC 9110 section 6.5.1).
DROPPED: Any = deque(maxlen=0)


class ServerState(Protocol):
    """What a uvicorn server shares with its connections.

    It waits for both when it stops.
    """

    connections: set[Any]
    tasks: set[asyncio.Task[None]]


class HttpProtocol(FlowControlledProtocol):
    """One connection of a client.

    * Everything but bodies has one limit per message: 414 for the target, 431 for headers, trailers and chunk lines
      (RFC 9110 section 15.5.15 and RFC 6585 section 5).
    * A target with an authority replaces Host (RFC 9112 section 3.2.2); one with a fragment is refused (3.2).
    * Trailers are dropped, not appended to the headers that the application is already reading (RFC 9110 6.5.1).
    * An upgrade to anything but a WebSocket is ignored (RFC 9110 section 7.8).
    * A client that reads nothing of its response is cut off in the end. One that does not complete its head, or falls
      silent in its body, gets 408 (RFC 9110 section 15.5.9).
    * A client that announces to wait with its body and then does not, as Go's transport does, is not waited for; its
      connection stays usable (RFC 9110 section 10.1.1).
    * A client that is still sending when the last response is written gets the time to read it: a connection that is
      closed with unread bytes is reset, and the response is lost (RFC 9112 section 9.6).

    Args:
        config: of the uvicorn server; gives the application, the time to keep idle connections, and `ws_*`.
        server_state: of the uvicorn server.
        app_state: state of the application's lifespan, copied into each scope.
        limits: what the connection may ask for.
        caps: shared by the connections of a server.
        unfinished: shared likewise; by default without a limit.
    """

    __slots__ = (
        "__weakref__",
        "_active",
        "_app_state",
        "_body_deadline",
        "_caps",
        "_chunked",
        "_client",
        "_config",
        "_discarding",
        "_handshake",
        "_headers",
        "_in_head",
        "_limits",
        "_overhead",
        "_parser",
        "_pipeline",
        "_plain_head",
        "_read_paused",
        "_read_timeout",
        "_receiving",
        "_scheme",
        "_server",
        "_state",
        "_uncounted",
        "_unfinished",
        "_unread",
        "_url",
        "_waiting_bytes",
        "_write_timeout",
        "loop",
        "tasks",
        "transport",
    )

    transport: asyncio.Transport
    _write_timeout: WriteTimeout

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: HttpLimits = DEFAULT_LIMITS,
        caps: ConnectionCaps | None = None,
        unfinished: UnfinishedMessages | None = None,
    ) -> None:
        super().__init__()
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self.tasks = server_state.tasks
        self.loop = _loop or asyncio.get_running_loop()
        self._limits = limits
        self._caps = caps or ConnectionCaps()
        self._unfinished = unfinished or UnfinishedMessages(sys.maxsize)
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._read_timeout = ReadTimeout(self.loop, self._on_read_timeout)
        self._read_paused = False
        # The request that is being answered, the one that is arriving, and those between them, oldest first.
        self._active: RequestResponseCycle | None = None
        self._receiving: RequestResponseCycle | None = None
        self._pipeline: deque[RequestResponseCycle] = deque()
        self._waiting_bytes = 0
        # The head that is arriving.
        self._in_head = False
        self._url = b""
        self._headers: list[Header] = []
        self._handshake: Scope | None = None
        self._plain_head = b""
        # Bytes of the message that are not its body. A message that begins in the middle of a read is not counted
        # until the next one: the parser does not say where it began.
        self._overhead = 0
        self._uncounted = False
        self._chunked = False
        # When the body is too slow, by the loop's clock.
        self._body_deadline = 0.0
        # Nothing that still comes is a request.
        self._discarding = False
        self._unread = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self.transport = cast("asyncio.Transport", transport)
        self._state.connections.add(self)
        server, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        self._server = (server, None) if isinstance(server, str) else address(server)
        self._client = address(client)
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._write_timeout = WriteTimeout(self.transport, self.loop, self._limits.send)
        self._read_timeout.start(Waiting.HEAD, self._limits.head_time)
        if not self._caps.enter(self._host):
            self._write_refusal(503)
            self._close()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        if self._discarding:
            self._unread = True
            return
        if not self._in_head:
            self._uncounted = False
        self._overhead += len(data)
        self._feed(data)
        self._after_read(len(data))

    def _after_read(self, received: int) -> None:
        """Hold the message to its limits: in bytes, and in time."""
        if self._discarding:
            return
        if self._overhead > self._limits.head:
            self._refuse(414 if self._in_head and not self._headers else 431)
            return
        self._overhead = max(0, self._overhead)  # No credit for later: a large body buys no large trailers.
        if self._in_head or self._active is None:
            if self._read_timeout.waiting is not Waiting.HEAD:
                self._read_timeout.start(Waiting.HEAD, self._limits.head_time)
        elif self._receiving is not None:
            self._await_body(received)

    def pause_writing(self) -> None:
        """Hold the application back, and watch whether the client reads."""
        super().pause_writing()
        self._write_timeout.start()

    def resume_writing(self) -> None:
        """Let the application write again."""
        super().resume_writing()
        self._write_timeout.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report to every request that its client has left."""
        super().connection_lost(exc)
        self._state.connections.discard(self)
        self._caps.leave(self._host)
        for cycle in (self._active, self._receiving, *self._pipeline):
            if cycle is not None:
                cycle.disconnect()
        self._release()

    def _release(self) -> None:
        """Break reference cycles: reference counting alone frees the connection."""
        self._read_timeout.close()
        self._write_timeout.stop()
        self._discarding = True
        self._parser = self._active = self._receiving = self._handshake = None
        while self._pipeline:
            self._pipeline.pop().abandon()

    # What the server calls.

    def shutdown(self) -> None:
        """Close when the requests that are here have their responses."""
        if self._active is None:
            self._close()
            if self._scheme == "https":
                self.loop.call_later(TLS_END_S, self._end_tls)
        else:
            self._end_after_last()

    def _end_tls(self) -> None:
        """Close without the client's close_notify, once it has all that was sent.

        asyncio waits 30 s for it, and TLS does not require it (RFC 8446 section 6.1).
        """
        if is_acknowledged(self.transport.get_extra_info("socket")):
            self.transport.abort()
        elif self._parser is not None:  # not lost yet
            self.loop.call_later(TLS_END_S, self._end_tls)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a head."""
        if self._discarding:
            raise ValueError("no further request is read")
        self._in_head = True
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the head, then start the application."""
        assert self._parser is not None
        parser = self._parser
        self._in_head = False
        self._body_deadline = 0.0
        self._read_timeout.waiting = Waiting.NOTHING
        headers, self._headers = self._headers, DROPPED
        version, method, found = parser.get_http_version(), parser.get_method(), dict(headers)
        self._chunked = TRANSFER_ENCODING in found
        if status := self._objection(version, headers):
            self._reject(status)
        if self._url[:1] != b"/":
            self._url = origin_form(self._url, headers)
            if not self._url:
                self._reject(400)
        raw_path, _, query = self._url.partition(b"?")
        path = raw_path.decode("ascii")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "server": self._server,
            "client": self._client,
            "scheme": self._scheme,
            "method": method.decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "state": self._app_state.copy(),
        }
        if parser.should_upgrade():
            self._on_upgrade_offered(scope, found)
            return
        keep_alive = version != "1.0" and parser.should_keep_alive()
        # An HTTP/1.0 client knows no 100 (RFC 9110 sections 10.1.1 and 15.2).
        expects = version != "1.0" and found.get(b"expect", b"").lower() == b"100-continue"
        cycle = scope[ANSWER] = RequestResponseCycle(self, scope, keep_alive=keep_alive, expects=expects)
        self._receiving = cycle
        if self._active is None:
            self._start(cycle)
        else:
            self._wait_in_line(cycle, len(self._url) + size_of(headers))

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._overhead -= len(body) + CHUNK_LINE
        if self._receiving is not None and not self._receiving.response_complete:
            self._receiving.on_body(body)

    def on_message_complete(self) -> None:
        """End a request. Where in the read the next one begins is not known."""
        if self._chunked and self._overhead > self._limits.head:
            self._reject(431)  # What of the read is of later requests counts too: no client pipelines that much.
        self._overhead = 0
        self._uncounted = True
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            self._read_timeout.waiting = Waiting.NOTHING
            receiving.on_message_complete()
            if not receiving.keep_alive:
                self._discarding = True

    # What a request calls.

    def pause_reading(self) -> None:
        """Hold the client back."""
        if not self._read_paused:
            self._read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Let the client send."""
        if self._read_paused:
            self._read_paused = False
            self.transport.resume_reading()
            if self._receiving is not None:  # The time in which nothing was read does not count.
                self._body_deadline = self.loop.time() + self._limits.body_time

    def on_response_complete(self, *, keep_alive: bool) -> None:
        """Go on with the next request, or wait for it."""
        self._active = None
        if not keep_alive:
            self.close_after_response()
        elif self._pipeline:
            self._start(self._pipeline.popleft())
            self._waiting_bytes = self._waiting_bytes if self._pipeline else 0
        elif self._in_head or self._receiving is not None:
            self._read_timeout.start(Waiting.HEAD, self._limits.head_time)
        else:
            self._read_timeout.start(Waiting.REQUEST, self._config.timeout_keep_alive)
        if self._read_paused:
            self.resume_reading()

    def close_after_response(self) -> None:
        """Close, at once if the client has nothing left to send."""
        if self._receiving is not None or self._unread:
            self._linger()
        else:
            self._close()

    # Inside.

    @property
    def _host(self) -> str:
        return self._client[0] if self._client else ""

    def _feed(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._on_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if not self._discarding:
                self._refuse(400)

    def _await_body(self, received: int = 0) -> None:
        """Wait for more of a body, as long as silence and least rate allow."""
        limits, now = self._limits, self.loop.time()
        silence = now + limits.body_time
        if limits.body_rate and self._body_deadline:
            # Each byte pays for its time. What came quickly pays for no more than one silence.
            self._body_deadline = min(silence, self._body_deadline + received / limits.body_rate)
        else:
            self._body_deadline = silence
        self._read_timeout.start(Waiting.BODY, self._body_deadline - now)

    def _start(self, cycle: RequestResponseCycle) -> None:
        self._active = cycle
        cycle.task = self.loop.create_task(cycle.run_asgi(self._config.loaded_app))
        self.tasks.add(cycle.task)

    def _wait_in_line(self, cycle: RequestResponseCycle, size: int) -> None:
        """Keep a request until those before it have their responses.

        Reading goes on, or nothing would report that the client has left.
        """
        self._pipeline.append(cycle)
        self._waiting_bytes += size
        if len(self._pipeline) >= MAX_PIPELINED or self._waiting_bytes > self._limits.head:
            cycle.keep_alive = False  # RFC 9112 section 9.3.2: the client repeats what it gets no response to.
            self._unread = True

    def _objection(self, version: str, headers: list[Header]) -> int:
        limits = self._limits
        if self._overhead > limits.target or self._uncounted:  # Only then is it worth adding up.
            if len(self._url) > limits.target:
                return 414
            if size_of(headers) > limits.head:
                return 431
        if len(headers) > limits.headers:
            return 431
        if b"#" in self._url:
            return 400
        if version not in KNOWN_VERSIONS:
            return 505
        return objection_to_coding(version, headers) if self._chunked else 0

    # Upgrades: the parser takes what follows such a head for another protocol's.

    def _on_upgrade_offered(self, scope: Scope, found: dict[bytes, bytes]) -> None:
        """Decide on an upgrade before anything is started."""
        if found.get(b"upgrade", b"").lower() != b"websocket":
            if scope["method"] == "CONNECT":
                self._reject(400)  # For forward proxies only (RFC 9110 section 9.3.6).
            self._plain_head = b"%b %b HTTP/%b\r\n%b\r\n" % (
                scope["method"].encode(),
                self._url,
                scope["http_version"].encode(),
                b"".join(b"%b: %b\r\n" % header for header in scope["headers"] if header[0] != b"upgrade"),
            )
            return
        body = TRANSFER_ENCODING in found or found.get(b"content-length", b"0") != b"0"
        # A handshake is a GET of HTTP/1.1 without a body (RFC 6455 section 4.1), and nothing waits before it.
        if body or scope["method"] != "GET" or scope["http_version"] != "1.1" or self._active is not None:
            self._reject(400)
        self._handshake = scope

    def _on_upgrade(self, rest: bytes) -> None:
        """Become a WebSocket, or parse the same head without its offer."""
        if self._handshake is None:
            self._parser = httptools.HttpRequestParser(self)
            self._feed(self._plain_head + rest)
            return
        scope, left = self._handshake, partial(self._caps.leave, self._host)
        protocol = WebSocketProtocol(self._config, self._state, self.transport, left, self._unfinished)
        self._state.connections.discard(self)
        self._release()
        self.transport.set_protocol(protocol)
        protocol.start(scope)
        if rest:
            protocol.data_received(rest)

    # The end.

    def _reject(self, status: int) -> None:
        self._refuse(status)
        raise ValueError(status)  # The parser stops here.

    def _refuse(self, status: int) -> None:
        """Respond to an invalid or incomplete request, and read nothing more."""
        active, receiving = self._active, self._receiving
        if active is not None and active is not receiving:
            # The objection is to a later request: earlier ones still get their responses.
            if receiving is not None:
                self._pipeline.pop().abandon()
            self._receiving = None
            self._end_after_last()
        elif receiving is not None and receiving.response_complete:
            self._linger()
        elif active is not None and active.response_started:
            self.transport.abort()
        else:
            if active is not None:
                active.disconnect()
            logger.info("Request refused: %d %s", status, REASONS[status].decode())
            self._write_refusal(status)
            self._linger()
        self._discarding = True

    def _write_refusal(self, status: int) -> None:
        reason = REASONS[status]
        self.transport.write(
            b"%b%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b\n"
            % (STATUS_LINES[status], date_line(), len(reason) + 1, reason)
        )

    def _end_after_last(self) -> None:
        last = self._pipeline[-1] if self._pipeline else self._active
        assert last is not None
        last.keep_alive = False
        self._discarding = self._receiving is None

    def _on_read_timeout(self) -> None:
        active = self._active
        if self._discarding:
            self._close()
        elif active is None:
            if self._in_head:
                self._refuse(408)
            else:
                self._close()  # There is no request that a response could be to.
        elif self._read_paused or active.waiting_for_100_continue:
            self._body_deadline = 0.0  # It is not the client that is slow.
            self._await_body()
        elif self._in_head or not active.response_started:
            self._refuse(408)

    def _linger(self) -> None:
        """Write no more, and discard input until the client closes or time is up."""
        self._discarding = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.resume_reading()
        self._read_timeout.start(Waiting.END, LINGER_S)

    def _close(self) -> None:
        self._discarding = True
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._write_timeout.start()  # A transport that is only closed waits for its reader without end.


def is_acknowledged(connection: socket) -> bool:
    """Whether the client has all that was sent; `False` if it is not known."""
    try:
        import fcntl  # noqa: PLC0415  (POSIX only)
        import termios  # noqa: PLC0415

        return fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, NOTHING) == NOTHING
    except (ImportError, OSError, ValueError):  # another system, or a socket that is closed
        return False


def address(info: object) -> tuple[str, int] | None:
    """An address for an ASGI scope; `None` on a UNIX socket."""
    return (str(info[0]), int(info[1])) if isinstance(info, (list, tuple)) else None
