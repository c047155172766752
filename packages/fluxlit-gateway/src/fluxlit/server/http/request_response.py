"""One request on a connection of the front, and the answer to it.

Like uvicorn's `RequestResponseCycle` it is what the application gets as `receive` and `send`, and what uvicorn's
protocol hands the body to. What differs is the way of the answer to the socket, for which every request pays:

* Head and first part of the body are written together: each write costs a system call and wakes the peer. A head alone
  is held back until the loop's next turn at most, so an answer without a body yet is not late either.
* `send` does its work when it is called. What it returns has nothing left to do, unless the client reads too slowly.
* The fields of a head are checked as one block.
* HTTP/1.0 clients get no chunked coding: the body ends with the connection (RFC 9112 sections 6.1 and 6.3).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from fluxlit._internal.asgi import Application, Message, Scope
from fluxlit.gateway.header_cache import ByName
from fluxlit.observability.request_record import Observation
from fluxlit.server.http.completed import DONE

Header = tuple[bytes, bytes]

# Under uvicorn's name, as for every other server of applications.
logger = logging.getLogger("uvicorn.error")

# What uvicorn accepts: a little more than the tokens of RFC 9110 section 5.1.
NAME = re.compile(rb'[^\x00-\x20\x7f()<>@,;:\[\]={}\\"]+\Z')

# No field may hold one, but for the tab (RFC 9110 section 5.5).
CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})

LINE_END = b"\r\n"

# Fields of an answer that are not simply passed on, as a head has them.
LENGTH, CODING, CONNECTION = b"content-length: ", b"transfer-encoding: ", b"connection: "
REQUEST_ID = b"x-request-id: "
NOTED = frozenset({LENGTH, CODING, CONNECTION, REQUEST_ID})
CLOSE = (CONNECTION, b"close", LINE_END)
CHUNKED = (CODING, b"chunked", LINE_END)

BODYLESS = frozenset({204, 304})

INTERNAL_ERROR = b"Internal Server Error"


def prefix(name: bytes) -> bytes:
    """How a field begins in a head.

    Raises:
        RuntimeError: its name could be taken for something else.
    """
    if not NAME.match(name):
        raise RuntimeError("The response has an invalid header name.")
    return name.lower() + b": "


PREFIXES = ByName(prefix)


class Heads:
    """Heads of answers that are held back: written at the loop's next turn, unless the body comes before."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Cycle] = []

    def add(self, cycle: Cycle) -> None:
        """Hold one back. The loop is asked once for all of a turn, as that costs more than the rest."""
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(cycle)

    def _flush(self) -> None:
        held, self._held = self._held, []
        for cycle in held:
            cycle.flush()


class Line(Protocol):
    """What a cycle needs of the connection that it is on."""

    transport: asyncio.Transport
    flow: FlowControl
    server_state: ServerState
    heads: Heads

    def on_response_complete(self) -> None:
        """Take note that an answer is written."""

    def part(self) -> None:
        """Close, but let the client read its answer."""


class Cycle:
    """One request and its answer.

    Args:
        line: the connection.
        scope: the request.
        keep_alive: the connection may serve another request afterwards.
        expects: the client waits to be asked for its body (RFC 9110 section 10.1.1).

    Attributes:
        body: what has come of the request's body and was not taken yet.
        more_body: there is more to come.
        message_event: something has happened that `receive` waits for.
        disconnected: the client has left.
        waiting_for_100_continue: it still waits to be asked.
        response_started: the head of an answer was given.
        response_complete: the answer was given whole.
        seen: is told of the answer; see `fluxlit.observability.response_recorder.Answer`.
    """

    __slots__ = (
        "_chunked",
        "_held",
        "_line",
        "_mute",
        "_old",
        "_rest",
        "_scope",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
        "seen",
        "waiting_for_100_continue",
    )

    def __init__(self, line: Line, scope: Scope, *, keep_alive: bool, expects: bool) -> None:
        self._line = line
        # Given away with the application's call: it leads back here by `ANSWER`.
        self._scope: Scope | None = scope
        self._old = scope["http_version"] == "1.0"
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects
        self.message_event = asyncio.Event()
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.seen: Observation | None = None
        self._held = b""
        self._mute = scope["method"] == "HEAD"
        self._chunked = False
        # Bytes of the body that are still to be sent; `None` where nobody has said how many.
        self._rest: int | None = None

    async def run_asgi(self, app: Application) -> None:
        """Let an application answer, and answer in its place if it does not."""
        try:
            scope, self._scope = self._scope, None
            assert scope is not None
            await app(scope, self.receive, self.send)
        except BaseException:  # a server outlives whatever its applications do
            logger.exception("Exception in ASGI application\n")
            self._fail()
        else:
            if not (self.response_complete or self.disconnected):
                missing = "completing" if self.response_started else "starting"
                logger.error("ASGI callable returned without %s response.", missing)
                self._fail()
        finally:
            seen, self.seen = self.seen, None
            if seen is not None:
                seen.over()

    # What the application calls.

    async def receive(self) -> Message:
        """The next part of the request's body, or the news that nobody waits for an answer any more."""
        transport = self._line.transport
        if self.waiting_for_100_continue and not transport.is_closing():
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self._line.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def send(self, message: Message) -> Awaitable[None]:
        """Write a part of the answer.

        Raises:
            RuntimeError: it is none, or not the one that must come now.
        """
        if self.disconnected:
            return DONE
        if self._line.flow.write_paused:
            return self._send_later(message)
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._continue(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._begin(message["status"], list(message.get("headers", ())))
        else:
            state = "complete" if self.response_complete else "started" if self.response_started else "not started"
            raise RuntimeError(f"Unexpected ASGI message {kind!r}: the response is {state}.")
        return DONE

    async def _send_later(self, message: Message) -> None:
        while self._line.flow.write_paused:
            await self._line.flow.drain()
        await self.send(message)

    # The answer on its way to the socket.

    def _begin(self, status: int, headers: list[Header]) -> None:
        parts = [STATUS_LINE[status]]
        for name, value in (*self._line.server_state.default_headers, *headers):
            begin = PREFIXES[name]
            if begin in NOTED and not self._heed(begin, value):
                continue
            parts += begin, value, LINE_END
        if not self.keep_alive:
            parts += CLOSE
        if self._mute or status in BODYLESS:
            self._rest = 0
        elif self._rest is None and not self._old:
            self._chunked = True
            parts += CHUNKED
        head = b"".join(parts)
        # A line end in a value would make a field of what follows, or the end of the head.
        if len(head) - len(head.translate(None, CONTROLS)) != len(parts) // 3 * 2 + 2:
            self._chunked, self._rest = False, None
            raise RuntimeError("The response has an invalid header value.")
        self.response_started = True
        self.waiting_for_100_continue = False
        own = b"" if self.seen is None else self.seen.begun(status, headers)
        self._held = head + own + LINE_END
        self._line.heads.add(self)

    def _heed(self, begin: bytes, value: bytes) -> bool:
        """Take note of a field that concerns the server; whether it goes into the head.

        The connection and the coding on it are the server's affair, and the id is the observation's.
        """
        if begin == LENGTH:
            self._rest = int(value)
        elif begin == CONNECTION and b"close" in [token.strip().lower() for token in value.split(b",")]:
            self.keep_alive = False
        return begin == LENGTH or (begin == REQUEST_ID and self.seen is None)

    def _continue(self, body: bytes, *, more: bool) -> None:
        if self.seen is not None:
            self.seen.sent += len(body)
        data = b"" if self._mute else self._coded(body, more=more)
        if self._held:
            # Cheaper than two buffers: what comes from an upstream at once is at most 256 KiB.
            data, self._held = self._held + data, b""
        if data:
            self._line.transport.write(data)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self._line.part()
            self._line.on_response_complete()

    def _coded(self, body: bytes, *, more: bool) -> bytes:
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

    def flush(self) -> None:
        """Write the head, if it is still held back."""
        if self._held:
            held, self._held = self._held, b""
            self._line.transport.write(held)

    def _fail(self) -> None:
        if self.disconnected:
            return
        if self.response_started:
            # The client must not take half an answer for the whole.
            self.flush()
            self._line.part()
            return
        length = b"%d" % len(INTERNAL_ERROR)
        fields = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", length),
            (b"connection", b"close"),
        ]
        self._begin(500, fields)
        self._continue(INTERNAL_ERROR, more=False)
