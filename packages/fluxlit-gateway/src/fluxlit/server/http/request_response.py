"""One HTTP request and its response: ASGI's `receive` and `send`.

Every request pays for the way of its response to the socket:

* Headers and first part of the body are written together: each write costs a system call and wakes the peer. Headers
  wait until the loop's next turn at most, so a response without a body yet is not late either; only an early response
  waits for its body.
* `send` does its work when it is called. What it returns is done already, unless the client reads too slowly.
* The headers of a response are checked as one block.
* HTTP/1.0 clients get no chunked coding: the body ends with the connection (RFC 9112 sections 6.1 and 6.3).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Coroutine
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol

from fluxlit._internal.asgi import Application, Header, Message, Scope, response_headers
from fluxlit.gateway.header_cache import HeaderCache
from fluxlit.observability.request_record import RequestRecord

# The name under which ASGI servers report faults of applications; log filters and error trackers know it.
logger = logging.getLogger("uvicorn.error")

# What uvicorn accepts: a little more than the tokens of RFC 9110 section 5.1.
NAME = re.compile(rb'[^\x00-\x20\x7f()<>@,;:\[\]={}\\"]+\Z')

# No header value may hold one, but for the tab (RFC 9110 section 5.5).
CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})

LINE_END = b"\r\n"

# Headers of a response that are not simply passed on.
CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION = b"content-length: ", b"transfer-encoding: ", b"connection: "
REQUEST_ID = b"x-request-id: "
NOTED = frozenset({CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, REQUEST_ID})
CLOSE = (CONNECTION, b"close", LINE_END)
CHUNKED = (TRANSFER_ENCODING, b"chunked", LINE_END)

BODYLESS = frozenset({204, 304})

INTERNAL_ERROR = b"Internal Server Error"

REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b"")) for status in range(100, 600)}

# Bytes of a body that may wait for the application before the client is held back.
HIGH_WATER = 64 * 1024


def prefix(name: bytes) -> bytes:
    """How a header line begins.

    Raises:
        RuntimeError: its name could be taken for something else.
    """
    if not NAME.match(name):
        raise RuntimeError("The response has an invalid header name.")
    return name.lower() + b": "


PREFIXES = HeaderCache(prefix)


class DateLine:
    """The Date header of responses, once a second (RFC 9110 section 6.6.1)."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def __call__(self) -> bytes:
        """The line for now."""
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._line


date_line = DateLine()


class Done(Coroutine[Any, Any, None]):
    """A coroutine with nothing left to do; one instance serves every `send`.

    It is a coroutine and not only an awaitable so that an application may make a task of it.
    """

    __slots__ = ()

    def send(self, value: object) -> None:
        """End at once."""
        raise StopIteration

    def throw(self, *error: Any) -> None:
        """End at once, with the error."""
        raise error[-1] if isinstance(error[-1], BaseException) else error[0]

    def close(self) -> None:
        """Nothing is open."""

    # Nothing is ever sent into it, and no frame of Python is made for it.
    __await__ = ().__iter__  # type: ignore[assignment]


DONE = Done()


class Connection(Protocol):
    """What a request needs of its connection."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    tasks: set[asyncio.Task[None]]
    write_paused: bool

    async def drain(self) -> None:
        """Wait until more can be written."""

    def pause_reading(self) -> None:
        """Hold the client back."""

    def resume_reading(self) -> None:
        """Let the client send."""

    def on_response_complete(self, *, keep_alive: bool) -> None:
        """Go on after a response."""

    def close_after_response(self) -> None:
        """Close, but let the client read its response."""


class RequestResponseCycle:
    """One request and its response.

    Args:
        connection: the connection.
        scope: the request.
        keep_alive: the connection may serve another request afterwards.
        expects: the client waits to be asked for its body (RFC 9110 section 10.1.1).

    Attributes:
        more_body: more of the request's body is to come.
        disconnected: the client has left.
        keep_alive: as given, unless the response closes.
        task: runs the application; leaves the server's tasks at its end.
        waiting_for_100_continue: the client still waits to be asked.
        response_started: the application has given the response's headers.
        response_complete: the application has given the whole response.
        seen: records the response; see `fluxlit.observability.response_recorder.Answer`.
    """

    __slots__ = (
        "_arrived",
        "_body",
        "_chunked",
        "_connection",
        "_event",
        "_held",
        "_mute",
        "_old",
        "_rest",
        "_scope",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "seen",
        "task",
        "waiting_for_100_continue",
    )

    task: asyncio.Task[None]

    def __init__(self, connection: Connection, scope: Scope, *, keep_alive: bool, expects: bool) -> None:
        self._connection = connection
        # Given away with the application's call: it refers to this object.
        self._scope: Scope | None = scope
        self._old = scope["http_version"] == "1.0"
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects
        self._event: asyncio.Event | None = None
        self._body: bytes | bytearray = b""
        self._arrived = False
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.seen: RequestRecord | None = None
        self._held = b""
        self._mute = scope["method"] == "HEAD"
        self._chunked = False
        # Bytes of the response's body that are still to be sent; `None` without a Content-Length.
        self._rest: int | None = None

    async def run_asgi(self, application: Application) -> None:
        """Let an application respond, and respond in its place if it does not."""
        try:
            scope, self._scope = self._scope, None
            assert scope is not None
            await application(scope, self.receive, self.send)
        except BaseException:  # a server outlives its applications
            logger.exception("Exception in ASGI application\n")
            self._fail()
        else:
            if not (self.response_complete or self.disconnected):
                missing = "completing" if self.response_started else "starting"
                logger.error("ASGI callable returned without %s response.", missing)
                self._fail()
        finally:
            self._connection.tasks.discard(self.task)
            seen, self.seen = self.seen, None
            if seen is not None:
                seen.over()

    # What the connection reports.

    def on_body(self, part: bytes) -> None:
        """Keep a part of the request's body until the application takes it."""
        if self.waiting_for_100_continue:
            # A client that sends its body unasked, as Go's transport does, does not wait to be asked.
            self.waiting_for_100_continue = False
            if self._scope is not None:
                self._scope["headers"] = [header for header in self._scope["headers"] if header[0] != b"expect"]
        if not self._body:
            self._body = part
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)  # One buffer, into however many chunks the client cut its body.
            self._body += part
        if len(self._body) > HIGH_WATER:
            self._connection.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """End the request's body."""
        self.more_body = False
        self._arrived = True
        if self._event is not None:
            self._event.set()

    def disconnect(self) -> None:
        """Report that the client has left, unless the response is complete."""
        if not self.response_complete:
            self.disconnected = True
            self._wake()

    def abandon(self) -> None:
        """Forget an undispatched request: it and its scope refer to each other."""
        self._scope = None

    def _wake(self) -> None:
        self._arrived = True
        if self._event is not None:
            self._event.set()

    # What the application calls.

    async def receive(self) -> Message:
        """The next part of the request's body, at its end `http.disconnect`."""
        if self.waiting_for_100_continue and not self._connection.transport.is_closing():
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        while not (self._arrived or self.disconnected or self.response_complete):
            self._connection.resume_reading()
            if self._event is None:
                self._event = asyncio.Event()
            self._event.clear()
            await self._event.wait()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        self._arrived = False
        body, self._body = bytes(self._body), b""
        self._connection.resume_reading()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def send(self, message: Message) -> Awaitable[None]:
        """Write a part of the response.

        Raises:
            RuntimeError: the message is none, or not the one that must come now.
        """
        if self.disconnected:
            return DONE
        if self._connection.write_paused:
            return self._send_later(message)
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._continue(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._begin(message["status"], response_headers(message))
        else:
            state = "complete" if self.response_complete else "started" if self.response_started else "not started"
            raise RuntimeError(f"Unexpected ASGI message {kind!r}: the response is {state}.")
        return DONE

    async def _send_later(self, message: Message) -> None:
        while self._connection.write_paused:
            await self._connection.drain()
        await self.send(message)

    # The response on its way to the socket.

    def _begin(self, status: int, headers: list[Header]) -> None:
        parts: list[bytes] = []
        self._chunked, self._rest = False, None
        for name, value in headers:
            begin = PREFIXES[name]
            if begin in NOTED and not self._note(begin, value):
                continue
            parts += begin, value, LINE_END
        if not self.keep_alive:
            parts += CLOSE
        if self._mute or status in BODYLESS:
            self._rest = 0
        elif self._rest is None and not self._old:  # type: ignore[redundant-expr]  # `_note` sets it
            self._chunked = True
            parts += CHUNKED
        lines = b"".join(parts)
        # A line end in a value would begin another header, or end the headers.
        if len(lines) - len(lines.translate(None, CONTROLS)) != len(parts) // 3 * 2:
            raise RuntimeError("The response has an invalid header value.")
        status_line = STATUS_LINES[status]
        self.response_started = True
        self.waiting_for_100_continue = False
        own = b"" if self.seen is None else self.seen.begun(status, parts[::3])
        self._held = b"".join((status_line, date_line(), lines, own, LINE_END))
        # A refusal of an upload must not come in two parts: many a client ends its upload as soon as it has read the
        # headers, and an edge that takes the end for a fault (HAProxy with HTTP/2) then loses what follows.
        if self._rest is None or not self.more_body:
            self._connection.loop.call_soon(self._flush)

    def _note(self, begin: bytes, value: bytes) -> bool:
        """Take note of a header for the server; whether it is passed on as well.

        The connection and its Transfer-Encoding are the server's, and the request id belongs to `seen`.
        """
        if begin == CONTENT_LENGTH:
            # The next hop must not read another length than this one (RFC 9112 section 6.3).
            before, self._rest = self._rest, int(value) if value.isdigit() else -1
            if self._rest < 0 or before not in (None, self._rest):
                raise RuntimeError("The response has an invalid Content-Length.")
            return before is None
        if begin == CONNECTION and b"close" in [token.strip().lower() for token in value.split(b",")]:
            self.keep_alive = False
        return begin == REQUEST_ID and self.seen is None

    def _continue(self, body: bytes, *, more: bool) -> None:
        if self.seen is not None:
            self.seen.sent += len(body)
        data = b"" if self._mute else self._encoded(body, more=more)
        if self._held:
            # Cheaper than two buffers: what comes from an upstream at once is at most 256 KiB.
            data, self._held = self._held + data, b""
        if data:
            self._connection.transport.write(data)
        if not more:
            self.response_complete = True
            if self._event is not None:
                self._event.set()
            self._connection.on_response_complete(keep_alive=self.keep_alive)

    def _encoded(self, body: bytes, *, more: bool) -> bytes:
        """A part of the body as it goes over the connection."""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._rest is not None:
            self._rest -= len(body)
            if self._rest < 0:
                raise RuntimeError("Response content longer than Content-Length")
            if self._rest and not more:
                raise RuntimeError("Response content shorter than Content-Length")
        return body

    def _flush(self) -> None:
        """Write the headers, if they are still held back."""
        if self._held:
            held, self._held = self._held, b""
            self._connection.transport.write(held)

    def _fail(self) -> None:
        if self.disconnected or self.response_complete:
            return
        if self.response_started:
            # The client must not take half a response for the whole.
            self._flush()
            self._connection.close_after_response()
            return
        length = b"%d" % len(INTERNAL_ERROR)
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", length),
            (b"connection", b"close"),
        ]
        self._begin(500, headers)
        self._continue(INTERNAL_ERROR, more=False)
