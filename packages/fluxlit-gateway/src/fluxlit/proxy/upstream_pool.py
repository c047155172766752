"""The connections to one upstream: reuse, limits and lifetimes.

Only exchanges that could be repeated ride on a used connection. An upstream may close an idle connection
at the very moment that a request is written to it; a GET is then simply sent again (RFC 9110 section
9.2.2), a POST could have taken effect, so it always gets a connection of its own. To a UNIX socket
that costs less than a tenth of a millisecond.

Time limits need no timer per request: while exchanges are under way one tick every `TICK` seconds
looks at all of them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fluxlit.proxy.client_slots import ClientSlots
from fluxlit.proxy.connection import Connection
from fluxlit.proxy.errors import UpstreamBusyError, UpstreamTimeoutError
from fluxlit.proxy.headers import request_head
from fluxlit.proxy.semaphore import Semaphore
from fluxlit.proxy.upstream_address import Address
from fluxlit.proxy.upstream_metrics import UpstreamMetrics

TICK = 0.05

SLOW_S = 1.0
"""Seconds that a client may take for one part of a response before it is slow, and gives its turn back."""


@dataclass(frozen=True)
class ProxyLimits:
    """Timeouts in seconds and limits of one upstream; 0 means no limit.

    Attributes:
        connect: until a connection is open.
        read: the longest gap in a response, and before it.
        body: bytes of a request's body; beyond it the client is answered 413.
        concurrent: exchanges under way at once.
        queue: how long a request waits for its turn before the client is answered 503.
        send: how long a client may leave one part of its response unread; then its exchange ends.
        idle: how long an unused connection is kept. Stay below the upstream's own time: uvicorn's is 5 s.
        ws_open: until the upstream has answered a WebSocket handshake.
        ws_ping: gap between pings to the upstream.
        ws_pong: how long the upstream may take to answer one.
        ws_close: how long the closing handshake may take.
        ws_message: bytes of one message from the upstream.
        ws_backlog: bytes from the upstream that may wait for a slow browser before it is closed with 1013.
        ws_compression: browser and upstream may agree on compression, where a tunnel joins them.
    """

    connect: float = 5.0
    read: float = 120.0
    body: int = 0
    concurrent: int = 256
    queue: float = 5.0
    send: float = 60.0
    idle: float = 4.0
    ws_open: float = 10.0
    ws_ping: float = 30.0
    ws_pong: float = 30.0
    ws_close: float = 10.0
    ws_message: int = 200 * 1024 * 1024
    ws_backlog: int = 64 * 1024 * 1024
    ws_compression: bool = False


@dataclass(eq=False, slots=True)
class Lease:
    """An exchange's right to one connection.

    Attributes:
        connection: the connection.
        started_at: when the lease began, by `time.perf_counter`, which costs half of what the loop's time does.
        on_slow: called once if the exchange takes longer than a tick.
        holder: the task of the exchange.
        client: address of the client; empty if it has none.
        set_aside: the client is slow, so the lease has a slot for that and no turn.
        sent: parts of the response that the client has taken; a counter, as reading the clock each time costs more.
        stalled: why the holder has been cancelled because of the client; empty if it has not.
    """

    connection: Connection
    started_at: float
    on_slow: Callable[[], None] | None = field(default=None)
    holder: asyncio.Task[object] | None = field(default=None)
    client: str = ""
    set_aside: bool = False
    sent: int = 0
    stalled: str = ""
    _seen: int = -1
    _seen_at: float = 0.0

    def look(self, now: float, limit: float) -> None:
        """End the exchange if the client takes too long for one part.

        The holder stands in the middle of a `send` then, where nothing but a cancellation reaches it.

        Args:
            now: the loop's time.
            limit: seconds; 0 for no limit.
        """
        if self._seen != self.sent or self.connection.waited_for or not self.connection.status:
            self._seen, self._seen_at = self.sent, now
        elif limit and now - self._seen_at > limit:
            self.end(f"the client read nothing for {limit:g} s")

    def is_slow(self, now: float) -> bool:
        """Whether the client has kept one part waiting for `SLOW_S`."""
        return self._seen == self.sent and now - self._seen_at > SLOW_S

    def end(self, reason: str) -> None:
        """End the exchange because of its client."""
        if self.holder is not None and not self.stalled:
            self.stalled = reason
            self.holder.cancel()


class Upstream:
    """The pool of connections to one address.

    Args:
        address: where to.
        limits: how long it may take, and how much may be under way.
        meter: what is counted; by default from 0.
    """

    def __init__(
        self, address: Address, *, limits: ProxyLimits | None = None, meter: UpstreamMetrics | None = None
    ) -> None:
        self.address = address
        self.limits = limits or ProxyLimits()
        self.meter = meter or UpstreamMetrics()
        self._idle: list[tuple[Connection, float]] = []
        self._leases: set[Lease] = set()
        self._turns = Semaphore(self.limits.concurrent or sys.maxsize)
        self._uploads = ClientSlots(self.limits.concurrent)
        self._slow_downloads = ClientSlots(self.limits.concurrent)
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Upstream {self.address}: {len(self._leases)} active, {len(self._idle)} idle>"

    @property
    def active(self) -> int:
        """Exchanges that are under way."""
        return len(self._leases)

    def lease_idle(self, client: str = "") -> Lease | None:
        """Get an idle connection for a repeatable exchange; else `lease` one."""
        if not self._idle or not self._turns.take():
            return None
        connection = self._reuse()
        if connection is None:
            self._turns.give()
            return None
        return self._leased(connection, client)

    async def lease(self, *, repeatable: bool, client: str = "") -> Lease:
        """Get a connection for one exchange; give it back with `release`.

        Args:
            repeatable: the request may be sent twice, so a used connection will do.
            client: address of the client; empty if it has none.

        Raises:
            UpstreamBusyError: no turn within the limit.
            UpstreamUnreachableError, UpstreamTimeoutError: no connection.
        """
        if not self._turns.take():
            await self._wait(self._turns.wait(), "requests")
        try:
            connection = self._reuse() if repeatable else None
            if connection is None:
                connection = await self.address.connect(Connection, within=self.limits.connect)
        except BaseException:
            self._turns.give()
            raise
        return self._leased(connection, client)

    def _leased(self, connection: Connection, client: str) -> Lease:
        # With the loop given, Python 3.11 makes no system call to find it.
        holder = asyncio.current_task(connection.loop)
        lease = Lease(connection, time.perf_counter(), holder=holder, client=client)
        self._leases.add(lease)
        if self._timer is None:
            self._start_ticking()
        return lease

    def release(self, lease: Lease) -> None:
        """End a lease: the connection is kept if it may be used again, else cut."""
        self._leases.discard(lease)
        connection = lease.connection
        if connection.complete and connection.reusable and not connection.pending:
            self._idle.append((connection, time.perf_counter()))
        elif not connection.closed:
            connection.abort()
        if lease.set_aside:
            self._slow_downloads.give(lease.client)
        else:
            self._turns.give()

    def _set_aside(self, lease: Lease) -> None:
        """Give the turn of a slow client back, or end its exchange.

        Else some hundred clients that read a few bytes now and then would hold all turns, with nothing to do for the
        upstream.
        """
        if self._slow_downloads.take_now(lease.client):
            lease.set_aside = True
            self._turns.give()
        else:
            lease.end("too many slow downloads are under way, of this client or of all")

    async def start_upload(self, client: str) -> None:
        """Wait until a client may send one more body; end it with `end_upload`.

        Args:
            client: address of the client; empty if it has none.

        Raises:
            UpstreamBusyError: too many uploads are under way, of this client or of all.
        """
        await self._wait(self._uploads.take(client), "uploads")

    def end_upload(self, client: str) -> None:
        """End an upload."""
        self._uploads.give(client)

    async def probe(self, path: str, *, within: float) -> int:
        """The status of a GET on a connection outside of the pool.

        Args:
            path: request target below the address's base.
            within: seconds for all of it.

        Raises:
            UpstreamError: there is no response.
        """
        connection = await self.address.connect(Connection, within=within)
        try:
            target = f"{self.address.base}{path}".encode("ascii")
            headers = [(b"host", b"localhost"), (b"connection", b"close")]
            connection.begin(request_head("GET", target, headers), head_request=False)
            async with asyncio.timeout(within):
                while not connection.status:
                    await connection.wait()
            return connection.status
        except TimeoutError as error:
            raise UpstreamTimeoutError(f"{self.address} did not answer within {within:g} s") from error
        finally:
            connection.abort()

    async def close(self) -> None:
        """Cut every connection. Exchanges that are under way fail."""
        for connection, _ in self._idle:
            connection.abort()
        self._idle.clear()
        for lease in list(self._leases):
            lease.connection.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _reuse(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _wait(self, turn: Awaitable[None], what: str) -> None:
        self.meter.waiting += 1
        try:
            async with asyncio.timeout(self.limits.queue or None):
                await turn
        except TimeoutError as error:
            raise UpstreamBusyError(
                f"as many {what} are under way as {self.limits.concurrent} turns allow, and none ended within "
                f"{self.limits.queue:g} s"
            ) from error
        finally:
            self.meter.waiting -= 1

    def _start_ticking(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        now, clock = asyncio.get_running_loop().time(), time.perf_counter()
        read = self.limits.read
        for lease in list(self._leases):
            connection = lease.connection
            if lease.on_slow is not None and clock - lease.started_at > TICK:
                on_slow, lease.on_slow = lease.on_slow, None
                on_slow()
            lease.look(now, self.limits.send)
            if not lease.set_aside and lease.is_slow(now):
                self._set_aside(lease)
            if read and connection.waited_for and now - connection.active_at > read:
                connection.fail(UpstreamTimeoutError(f"{self.address} sent nothing for {read:g} s"))
        for connection, since in self._idle:
            if clock - since > self.limits.idle:
                connection.abort()
        self._idle = [(connection, since) for connection, since in self._idle if not connection.closed]
        self._timer = None
        if self._leases or self._idle:
            self._start_ticking()
