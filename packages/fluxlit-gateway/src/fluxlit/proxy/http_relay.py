"""One HTTP request and its response, relayed to and from an upstream.

The rules that shape this module:

* Nothing is held whole. The request's body goes on as it comes, the response's body likewise; each side's
  speed limits the other (`Connection.drain` and the server's own `send`).
* A body that the client did not finish is never finished upstream: the connection is cut instead
  (RFC 9112 section 8).
* A response that the upstream did not finish is never finished towards the client: the application returns
  without its last message, and the server closes the connection.
* A client that leaves ends the exchange upstream. The server reports it through `receive`, which costs a
  task to listen to, so the listening begins only when an exchange has taken longer than a tick.
* A request is sent a second time only if it can be repeated, has no body, travelled on a used connection,
  and not one byte of a response came (RFC 9110 section 9.2.2).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field

from fluxlit._internal.asgi import Header, Receive, Scope, Send
from fluxlit.proxy.connection import Connection
from fluxlit.proxy.errors import UpstreamDisconnectedError, UpstreamError
from fluxlit.proxy.headers import (
    REQUEST_DROPPED,
    RESPONSE_DROPPED,
    end_to_end,
    request_head,
    request_target,
)
from fluxlit.proxy.message_framing import REPEATABLE, Framing, RefusedError
from fluxlit.proxy.upstream_pool import Lease, Upstream

# RFC 9112 section 6.3: these never have a body.
BODYLESS = frozenset({204, 304})

# How long an upstream is given to answer an expectation before the body is sent all the same (Go's transport: 1 s).
GO_AHEAD_S = 1.0


class ClientLeftError(Exception):
    """The client closed its connection before the exchange was over."""


class ClientStalledError(Exception):
    """The client reads its response too slowly."""


class BodyTooLargeError(Exception):
    """The request's body is longer than the limit allows."""


@dataclass(eq=False, slots=True)
class Exchange:
    """One request under way.

    Attributes:
        started: response headers were sent to the client.
        finished_body: all of the request's body has been passed on.
        asked_for_body: the client has been asked for its body.
        sends_unasked: the client sends, or will send, a body regardless of the response.
        waits_for_client: the next part of that body has not come yet.
    """

    upstream: Upstream
    scope: Scope
    receive: Receive
    send: Send
    extra: list[Header]
    started: bool = False
    finished_body: bool = False
    asked_for_body: bool = False
    waits_for_client: bool = False
    sends_unasked: bool = False
    _framing: Framing = field(init=False)
    _received: int = 0
    _feeder: asyncio.Task[None] | None = None

    def run(self) -> Awaitable[None]:
        """Relay the request and its response.

        It returns the awaitable of the way that the request takes: a coroutine around it would be made and resumed for
        every request.

        Raises:
            UpstreamError: the upstream failed; see `started` for whether a response had begun.
            ClientLeftError: the client is gone.
            ClientStalledError: the client reads too slowly.
            BodyTooLargeError: the body is over the limit.
            RefusedError: the request cannot be passed on safely.
        """
        self._framing = framing = Framing.of(self.scope)
        body = framing.body
        self.finished_body = not body
        self.sends_unasked = body and not framing.expects
        limit = self.upstream.limits.body
        if limit and (framing.length or 0) > limit:
            raise BodyTooLargeError
        repeatable = not body and self.scope["method"] in REPEATABLE
        head = self._head()
        client = (self.scope.get("client") or ("",))[0]
        return self._relay_upload(head, client) if body else self._relay(head, client, repeatable=repeatable)

    async def _relay_upload(self, head: bytes, client: str) -> None:
        await self.upstream.start_upload(client)
        try:
            await self._relay(head, client, repeatable=False)
        finally:
            self.upstream.end_upload(client)

    async def _relay(self, head: bytes, client: str, *, repeatable: bool) -> None:
        idle = self.upstream.lease_idle(client) if repeatable else None
        lease = idle or await self.upstream.lease(repeatable=repeatable, client=client)
        try:
            await self._over(lease, head)
        except UpstreamDisconnectedError as error:
            if not (repeatable and error.untouched and lease.connection.used > 1) or self.started:
                raise
            await self._over(await self.upstream.lease(repeatable=False, client=client), head)

    async def _over(self, lease: Lease, head: bytes) -> None:
        connection = lease.connection
        try:
            connection.begin(head, head_request=self.scope["method"] == "HEAD")
            if self.finished_body:
                lease.on_slow = lambda: self._feed(connection)
            else:
                self._feed(connection)
            await self._answer(lease)
        except BaseException:
            connection.reusable = False
            if lease.stalled and lease.holder is not None and not lease.holder.uncancel():
                raise ClientStalledError(lease.stalled) from None
            self._raise_cause()
            raise
        finally:
            if not self.finished_body:
                # The response came before the whole body: what follows on this connection would be read as a request.
                connection.reusable = False
            if self._feeder is not None:
                self._feeder.cancel()
                self._feeder = None
            lease.on_slow = None
            self.upstream.release(lease)

    def _head(self) -> bytes:
        headers = end_to_end(self.scope["headers"], REQUEST_DROPPED)
        headers += self.extra
        if self._framing.chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        if self._framing.expects and not self.finished_body:
            headers.append((b"expect", b"100-continue"))
        target = request_target(self.scope["raw_path"], self.scope["query_string"])
        base = self.upstream.address.base
        return request_head(self.scope["method"], base.encode("ascii") + target if base else target, headers)

    # From the client: the request's body, then the news that it has left.

    def _feed(self, connection: Connection) -> None:
        self._feeder = asyncio.create_task(self._from_client(connection))
        self._feeder.add_done_callback(lambda task: give_up(task, connection))

    async def _from_client(self, connection: Connection) -> None:
        if not self.finished_body:
            if self._framing.expects:
                await connection.go_ahead(within=GO_AHEAD_S)
            await self._upload(connection)
            self.finished_body = True
        while (await self.receive())["type"] != "http.disconnect":
            pass
        raise ClientLeftError

    async def _upload(self, connection: Connection) -> None:
        self.asked_for_body = self.sends_unasked = more = True
        while more:
            await connection.drain()
            data, more = await self._next_of_body()
            if framed := self._framed(data, more=more):
                connection.write(framed)

    async def _next_of_body(self) -> tuple[bytes, bool]:
        self.waits_for_client = True
        message = await self.receive()
        self.waits_for_client = False
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        data: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        self._received += len(data)
        limit = self.upstream.limits.body
        if limit and self._received > limit:
            raise BodyTooLargeError
        length = self._framing.length
        if length is not None and (self._received > length or (not more and self._received < length)):
            raise RefusedError(400, "The request's body does not match its Content-Length.")
        return data, more

    def _framed(self, data: bytes, *, more: bool) -> bytes:
        if not self._framing.chunked:
            return data
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return chunk if more else chunk + b"0\r\n\r\n"

    def _raise_cause(self) -> None:
        task = self._feeder
        if task is not None and task.done() and not task.cancelled() and (cause := task.exception()) is not None:
            raise cause

    # To the client: the response.

    async def _answer(self, lease: Lease) -> None:
        connection = lease.connection
        while not connection.status:
            await connection.wait()
        self.upstream.meter.responses.add(time.perf_counter() - lease.started_at)
        headers = end_to_end(connection.headers, RESPONSE_DROPPED)
        status = connection.status
        if status in BODYLESS:
            # RFC 9110 section 8.6 allows a length here, but servers take it for a promise of as many bytes.
            headers = [header for header in headers if header[0] != b"content-length"]
        if self._framing.expects and not self.asked_for_body:
            # The client may send its body now or not; only a new connection is free of doubt.
            headers.append((b"connection", b"close"))
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        lease.sent += 1
        more = True
        while more:
            if not connection.pending and not connection.complete:
                await connection.wait()
            data = connection.take()
            more = not connection.complete
            if data or not more:
                await self.send({"type": "http.response.body", "body": data, "more_body": more})
                lease.sent += 1


def give_up(feeder: asyncio.Task[None], connection: Connection) -> None:
    """Cut the upstream's connection when the client's side has failed."""
    if not feeder.cancelled() and feeder.exception() is not None:
        connection.fail(UpstreamError("the client did not finish the request"))
