"""One HTTP/1.1 connection to an upstream: asyncio protocol on httptools.

The gateway's cost per request is decided here, so the protocol does no more than this: parse what
arrives, keep it until the exchange takes it, and wake the exchange once per arrival. One exchange at a
time uses a connection; nothing is pipelined.

Back-pressure goes both ways. Reading stops while more than `HIGH_WATER` bytes of a response wait to be
taken; `drain` holds the sender back while the transport's write buffer is full.

The parser is llhttp in its strict mode: a response with conflicting lengths, folded headers, bare line
feeds or bad chunk sizes is an error and never passed on (RFC 9112 sections 5.2, 6.3 and 7.1).
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from fluxlit._internal.asgi import Header
from fluxlit._internal.flow_control import FlowControlledProtocol
from fluxlit.proxy.errors import UpstreamDisconnectedError, UpstreamError, UpstreamProtocolError

# Four times uvicorn's own high-water mark: one read of the event loop (256 KiB) never has to be split.
HIGH_WATER = 256 * 1024

# Bytes of a response that are not its body: heads, trailers, chunk lines. llhttp sets no bound; nginx allows an
# upstream's head 4 KiB to 8 KiB, Go 10 MiB.
MAX_OVERHEAD = 256 * 1024

# Bytes of its line that each chunk brings along unpunished: Go's net/http has the same allowance.
CHUNK_LINE = 16


class Connection(FlowControlledProtocol):
    """One connection and the response that is arriving on it.

    Attributes:
        status: status code of the response, 0 until its headers are complete.
        headers: raw headers of the response, names in lower case.
        complete: the response has arrived whole.
        reusable: another exchange may use the connection after this response.
        active_at: when bytes last moved, in the loop's time.
        loop: the event loop that it belongs to.
        used: how many exchanges have begun on the connection.
    """

    __slots__ = (
        "_asked",
        "_body",
        "_buffered",
        "_closing",
        "_continued",
        "_error",
        "_head_request",
        "_interim",
        "_overhead",
        "_parser",
        "_paused",
        "_until_close",
        "_waiter",
        "active_at",
        "complete",
        "headers",
        "loop",
        "reusable",
        "status",
        "transport",
        "used",
    )

    transport: asyncio.Transport
    headers: list[Header]
    _asked: asyncio.Future[None] | None
    _body: list[bytes]
    _error: UpstreamError | None
    _interim: bool
    _overhead: int

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._closing = False
        self._paused = False
        self.used = 0
        self.active_at = 0.0
        self._reset(head_request=False)
        self.complete = True

    # The exchange's side.

    def begin(self, head: bytes, *, head_request: bool) -> None:
        """Send a request's headers, and the part of its body joined to them.

        Args:
            head: bytes to write.
            head_request: the method is HEAD, so the response has no body, regardless of its headers.
        """
        self._reset(head_request=head_request)
        self.used += 1
        self.active_at = self.loop.time()
        self.transport.write(head)

    def write(self, data: bytes) -> None:
        """Send more of the request's body."""
        self.active_at = self.loop.time()
        if not self.closed:
            self.transport.write(data)

    def wait(self) -> asyncio.Future[None]:
        """A future for the next part of the response; fails if none will come.

        Raises:
            UpstreamError: that is so already.
        """
        if self._error is not None:
            raise self._error
        self._waiter = self.loop.create_future()
        return self._waiter

    @property
    def waited_for(self) -> bool:
        """The client waits for the upstream (not the upstream for the client)."""
        return self._waiter is not None

    @property
    def pending(self) -> bool:
        """Bytes of the response body wait to be taken."""
        return bool(self._body)

    def take(self) -> bytes:
        """All of the body that has arrived and was not taken yet."""
        body = self._body
        data = body[0] if len(body) == 1 else b"".join(body)
        self._body = []
        self._buffered = 0
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return data

    def fail(self, error: UpstreamError) -> None:
        """Abort the exchange with `error`, and cut the connection."""
        if self._error is None and not self.complete:
            self._error = error
        self.abort()
        self._wake()

    def abort(self) -> None:
        """Cut the connection at once: nothing that is buffered is sent."""
        self._closing = True
        self.reusable = False
        self.transport.abort()

    @property
    def closed(self) -> bool:
        """The connection cannot be used any more."""
        return self._closing or self.transport.is_closing()

    async def go_ahead(self, *, within: float) -> None:
        """Wait until the upstream asks for the body (RFC 9110 section 10.1.1).

        An upstream that is silent for `within` seconds is taken to mean yes: it may not know the expectation.
        """
        if not self._continued:
            self._asked = self.loop.create_future()
            await asyncio.wait({self._asked}, timeout=within)

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.complete:  # A response without a request: its sender cannot be trusted with the next request.
            self.abort()
            return
        self.active_at = self.loop.time()
        self._overhead += len(data)
        try:
            assert self._parser is not None
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(UpstreamProtocolError("the upstream switched protocols without being asked"))
        except httptools.HttpParserError as error:
            self.fail(UpstreamProtocolError(f"the upstream's answer is not valid HTTP: {error}"))
        else:
            if self._overhead > MAX_OVERHEAD:
                self.fail(UpstreamProtocolError(f"the upstream's headers are longer than {MAX_OVERHEAD} bytes"))
            self._overhead = max(0, self._overhead)  # A large body buys no large trailers.
            if self._buffered > HIGH_WATER and not self._paused and not self.complete:
                self._paused = True
                self.transport.pause_reading()
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self.reusable = False
        if not self.complete and self._error is None:
            if self._until_close and exc is None:
                self.complete = True
            else:
                untouched = not self.status and not self._overhead
                when = "before it answered" if untouched else "in the middle of its response"
                self._error = UpstreamDisconnectedError(
                    f"the upstream closed the connection {when}", untouched=untouched
                )
        self._wake()
        self._parser = None  # It refers back here: a lost connection is freed at once, not by the collector.
        super().connection_lost(exc)

    # The parser's side.

    def on_message_begin(self) -> None:
        if self.complete:  # The start of a second answer in the same read.
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # Later fields are trailers, which must not be merged (RFC 9110 section 6.5.1).
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 200:
            self._on_interim(status)
            return
        if status > 599:  # RFC 9110 section 15: not a status code, and servers have no status line for it.
            raise ValueError(f"status {status}")
        self.status = status
        self._until_close = True
        for name, value in self.headers:
            if name == b"content-length":
                self._until_close = False
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked" or not self._until_close:
                    # An unknown Transfer-Encoding, or two: the body's end is a guess (RFC 9112 section 6.1).
                    raise ValueError(f"Transfer-Encoding {value!r}")
                self._until_close = False
        if self._head_request:
            # llhttp would wait for the body that Content-Length speaks of, so its parser is done for.
            self._finish()
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        if self.complete:
            self.abort()
            return
        self._overhead -= len(body) + CHUNK_LINE
        self._body.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self.complete:
            self._finish()

    # Inside.

    def _on_interim(self, status: int) -> None:
        """Note a 100 and drop other 1xx: ASGI has no message for them."""
        if status < 100:
            raise ValueError(f"status {status}")
        self._interim = True
        self.headers = []
        if status == 100:
            self._continued = True
            if self._asked is not None and not self._asked.done():
                self._asked.set_result(None)

    def _finish(self) -> None:
        self.complete = True
        self.reusable = not self._closing and self._parser is not None and self._parser.should_keep_alive()

    def _reset(self, *, head_request: bool) -> None:
        self.status = 0
        self.headers = []
        self.complete = False
        self.reusable = False
        self._body = []
        self._buffered = 0
        self._error = None
        self._head_request = head_request
        self._overhead = 0
        self._interim = False
        self._until_close = False
        self._continued = False
        self._asked = None

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if self._error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(self._error)
