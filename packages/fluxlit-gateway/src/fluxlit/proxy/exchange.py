"""One HTTP request, relayed to an upstream and its answer relayed back.

The rules that shape this module:

* Nothing is held whole. The request's body goes on as it comes, the answer's body likewise; each side's
  speed limits the other (`Connection.drain` and the server's own `send`).
* A body that the client did not finish is never finished upstream: the connection is cut instead
  (RFC 9112 section 8).
* An answer that the upstream did not finish is never finished towards the client: the application returns
  without its last message, and the server closes the connection.
* A client that leaves ends the exchange upstream. The server tells us through `receive`, which costs a
  task to listen to, so the listening begins only when an exchange has taken longer than a tick.
* A request is sent a second time only if it can be repeated, has no body, travelled on a used connection,
  and not one byte of an answer came (RFC 9110 section 9.2.2).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fluxlit.proxy.connection import Connection
from fluxlit.proxy.errors import UpstreamDisconnectedError, UpstreamError
from fluxlit.proxy.headers import (
    REQUEST_DROPPED,
    RESPONSE_DROPPED,
    Header,
    end_to_end,
    request_head,
    request_target,
)
from fluxlit.proxy.upstream import Lease, Upstream

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# RFC 9110 section 9.2.2, without DELETE and PUT: repeating those is allowed, but they matter enough not to.
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

logger = logging.getLogger("fluxlit.proxy")


class ClientLeftError(Exception):
    """The client closed its connection before the exchange was over."""


class BodyTooLargeError(Exception):
    """The request's body is longer than the limit allows."""


class BadFramingError(Exception):
    """The request's length is stated in two ways that a next hop could read differently (RFC 9112 section 6.3)."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How a request says where its body ends.

    Attributes:
        length: Content-Length, `None` if there is none.
        chunked: the length is not known beforehand.
    """

    length: int | None
    chunked: bool

    @property
    def body(self) -> bool:
        """There may be a body."""
        return self.chunked or bool(self.length)

    @classmethod
    def of(cls, scope: Scope) -> Framing:
        """Read the framing of an ASGI request.

        Raises:
            BadFramingError: two lengths, or a length that is not a number.
        """
        lengths: list[bytes] = []
        chunked = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                lengths.append(value)
            elif name == b"transfer-encoding":
                chunked = True
        if len(lengths) > 1 or (lengths and (chunked or not lengths[0].isdigit())):
            raise BadFramingError
        if not lengths and not chunked and scope["http_version"] not in ("1.0", "1.1"):
            # From HTTP/2 on a body needs neither field; only its frames tell.
            chunked = scope["method"] not in REPEATABLE
        return cls(int(lengths[0]) if lengths else None, chunked)


@dataclass(eq=False, slots=True)
class Exchange:
    """One request under way.

    Attributes:
        started: the client has been sent the head of an answer.
    """

    upstream: Upstream
    scope: Scope
    receive: Receive
    send: Send
    extra: list[Header]
    started: bool = False
    _framing: Framing = field(init=False)
    _received: int = 0
    _listener: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Relay the request and its answer.

        Raises:
            UpstreamError: the upstream failed; see `started` for whether an answer had begun.
            ClientLeftError: the client is gone.
            BodyTooLargeError: the body is over the limit.
            BadFramingError: the request's framing cannot be trusted.
        """
        self._framing = Framing.of(self.scope)
        limit = self.upstream.limits.body
        if limit and (self._framing.length or 0) > limit:
            raise BodyTooLargeError
        repeatable = not self._framing.body and self.scope["method"] in REPEATABLE
        head = self._head()
        lease = await self.upstream.lease(repeatable=repeatable)
        try:
            await self._over(lease, head)
        except UpstreamDisconnectedError as error:
            if not (repeatable and error.untouched and lease.connection.used > 1) or self.started:
                raise
            lease_again = await self.upstream.lease(repeatable=False)
            await self._over(lease_again, head)

    async def _over(self, lease: Lease, head: bytes) -> None:
        connection = lease.connection
        uploader: asyncio.Task[None] | None = None
        lease.on_slow = None if self._framing.body else lambda: self._listen(connection)
        try:
            if not self._framing.body:
                connection.begin(head, head_request=self.scope["method"] == "HEAD")
            else:
                data, more = await self._next_of_body()
                connection.begin(head + self._framed(data, more), head_request=False)
                if more:
                    uploader = asyncio.create_task(self._upload(connection))
                    uploader.add_done_callback(lambda task: self._uploaded(task, connection))
                else:
                    lease.on_slow = lambda: self._listen(connection)
            await self._answer(connection)
        except BaseException:
            connection.reusable = False
            self._raise_cause(uploader)
            raise
        finally:
            if uploader is not None and not uploader.done():
                # The answer came before the whole body: what follows on this connection would be read as a request.
                connection.reusable = False
                uploader.cancel()
            if self._listener is not None:
                self._listener.cancel()
                self._listener = None
            lease.on_slow = None
            self.upstream.release(lease)

    def _head(self) -> bytes:
        headers = end_to_end(self.scope["headers"], REQUEST_DROPPED)
        headers += self.extra
        if self._framing.chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        target = request_target(self.scope["raw_path"], self.scope["query_string"])
        base = self.upstream.address.base
        return request_head(self.scope["method"], base.encode("ascii") + target if base else target, headers)

    # The request's body.

    async def _next_of_body(self) -> tuple[bytes, bool]:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        data: bytes = message.get("body", b"")
        self._received += len(data)
        limit = self.upstream.limits.body
        if limit and self._received > limit:
            raise BodyTooLargeError
        return data, message.get("more_body", False)

    def _framed(self, data: bytes, more: bool) -> bytes:
        if not self._framing.chunked:
            return data
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return chunk if more else chunk + b"0\r\n\r\n"

    async def _upload(self, connection: Connection) -> None:
        more = True
        while more:
            await connection.drain()
            data, more = await self._next_of_body()
            if framed := self._framed(data, more):
                connection.write(framed)

    def _uploaded(self, task: asyncio.Task[None], connection: Connection) -> None:
        if not task.cancelled() and task.exception() is not None:
            connection.fail(UpstreamError("the client did not finish the request's body"))

    def _raise_cause(self, uploader: asyncio.Task[None] | None) -> None:
        for task in (uploader, self._listener):
            if task is not None and task.done() and not task.cancelled() and (cause := task.exception()) is not None:
                raise cause

    # The client's patience.

    def _listen(self, connection: Connection) -> None:
        self._listener = asyncio.create_task(self._until_left())
        self._listener.add_done_callback(lambda task: self._uploaded(task, connection))

    async def _until_left(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        raise ClientLeftError

    # The answer.

    async def _answer(self, connection: Connection) -> None:
        while not connection.status:
            await connection.wait()
        headers = end_to_end(connection.headers, RESPONSE_DROPPED)
        self.started = True
        await self.send({"type": "http.response.start", "status": connection.status, "headers": headers})
        more = True
        while more:
            if not connection.pending and not connection.complete:
                await connection.wait()
            data = connection.take()
            more = not connection.complete
            if data or not more:
                await self.send({"type": "http.response.body", "body": data, "more_body": more})
