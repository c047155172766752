"""Tunnel: the bytes of a WebSocket pass as they come.

Each end's frames are followed by their headers, so frames of the gateway's own can be inserted between two of them:
pings, and the Close frame of a stop, of a login that has ended, or for a client that reads too slowly. What a message
contains, its encoding and closing codes are matters of the two ends.

The upstream is read even while the client is slow: Streamlit drops a session if it cannot hand over its messages, but
keeps one with a closed socket. So what waits for the client is bounded, and at the bound its connection is closed with
1013; it reconnects and finds its session. A slow upstream slows the client down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.frames import Close, CloseCode, Frame, Opcode

from fluxlit._internal.unfinished_messages import UnfinishedMessage
from fluxlit._internal.websocket_tunnel import Tunnelling, UpstreamEnd
from fluxlit.server.websocket.frame_scanner import FrameScanner

# Seconds for a client to read what is left when its connection is closed.
LINGER_S = 10.0

# Pings of a client that reads nothing: each makes the upstream write a Pong that waits here.
MAX_UNREAD_PINGS = 64

TRY_AGAIN_LATER = 1013
LOST = (1014, "upstream lost")

PING = b"fluxlit"


class End(asyncio.Protocol):
    """One end of a tunnel.

    Args:
        tunnel: its tunnel.
        transport: its connection.
        scanner: follows what it sends.
        message: counts what it has begun and not finished; `None` for an upstream.
        masks: frames to it are masked.
        ping: seconds between two pings to it; 0 for none.
        pong: seconds that it may take to answer one.

    Attributes:
        other: the end that gets what this one sends; gone when the tunnel is over.
        transport: as given.
        scanner: as given.
        open: frames may be written to this end.
        farewell: a Close frame for it, which waits for the end of the frame that is under way.
        paused: its transport takes nothing more for now.
        lost: its connection has ended.
        said: it has sent a Close frame, or its frames cannot be followed.
    """

    __slots__ = (
        "_heard",
        "_loop",
        "_masks",
        "_message",
        "_ping",
        "_pinged",
        "_pings",
        "_pong",
        "_read_paused",
        "_taken",
        "_timer",
        "_tunnel",
        "farewell",
        "lost",
        "open",
        "other",
        "paused",
        "said",
        "scanner",
        "transport",
    )

    other: End

    def __init__(
        self,
        tunnel: Tunnel,
        transport: asyncio.Transport,
        scanner: FrameScanner,
        message: UnfinishedMessage | None = None,
        *,
        masks: bool,
        ping: float,
        pong: float,
    ) -> None:
        self._tunnel = tunnel
        self._loop = asyncio.get_running_loop()
        self._masks = masks
        self._message = message
        self._ping, self._pong = ping, pong
        self._heard = self._pinged = self._read_paused = False
        self._taken = self._pings = 0
        self._timer: asyncio.TimerHandle | None = None
        self.transport = transport
        self.scanner = scanner
        self.open = True
        self.farewell = b""
        self.paused = self.lost = self.said = False

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        """Pass on what may be passed on."""
        self._heard = True
        scanner, other = self.scanner, self.other
        if not other.open:
            self._discard(data)
            return
        passed = scanner.feed(data)
        if passed:
            other.transport.write(passed)
        message = self._message
        if scanner.over:
            self._end_frames()
        elif (
            message is not None
            and (scanner.left or scanner.more or message.counted)
            and not message.update(scanner.unfinished)
        ):
            self._tunnel.close(TRY_AGAIN_LATER, "too many unfinished messages")
        elif other.paused:
            self._tunnel.on_unread(other)
        elif self.paused and scanner.pings - self._pings > MAX_UNREAD_PINGS:
            self._tunnel.close(CloseCode.POLICY_VIOLATION, "pings without reading")

    def pause_writing(self) -> None:
        """Note that this end reads slowly."""
        self.paused = True
        self._pings = self.scanner.pings
        self._tunnel.on_paused(self)

    def resume_writing(self) -> None:
        """Note that this end reads again."""
        self.paused = False
        self.other.scanner.largest = 0
        self.other.hold_back(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side as well."""
        self.lost = self.said = True
        self.open = False
        if self._message is not None:
            self._message.update(0)
        self.stop_timer()
        self._tunnel.on_lost(self)

    # What the tunnel calls.

    def start(self, early: bytes) -> None:
        """Take over the connection.

        Args:
            early: what has come on it already.
        """
        self.transport.set_protocol(self)
        if early:
            self.data_received(early)
        self._schedule_ping()

    def hold_back(self, paused: bool) -> None:  # noqa: FBT001  (a state, not an option)
        """Read this end's connection, or do not."""
        if paused != self._read_paused and not self.transport.is_closing():
            self._read_paused = paused
            if paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Send a Close frame after the frame that is under way."""
        if not self.open:
            return
        self.open = False
        self.stop_timer()
        frame = Frame(Opcode.CLOSE, Close(code, reason).serialize()).serialize(mask=self._masks)
        if not self.other.scanner.left:
            self.transport.write(frame)
        elif self.other.lost:
            self.finish()
        else:
            self.farewell = frame

    def finish(self) -> None:
        """Close the connection when what was written is read, or never."""
        self.open, self.farewell = False, b""
        self.stop_timer()
        if not self.lost and not self.transport.is_closing():
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self._timer = self._loop.call_later(LINGER_S, self.transport.abort)

    def abort(self) -> None:
        """Cut the connection."""
        self.open, self.farewell = False, b""
        self.transport.abort()

    def stop_timer(self) -> None:
        """Watch this end no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def release(self) -> None:
        """Break the references in a circle: counting them alone frees both ends."""
        del self.other, self._tunnel

    # Inside.

    def _end_frames(self) -> None:
        """Pass on nothing more: a Close frame has come, or a broken one."""
        scanner, other = self.scanner, self.other
        if scanner.fault is None and scanner.left:
            return  # Of the Close frame itself.
        self.said = True
        if scanner.fault is not None:
            self._tunnel.on_fault(self, *scanner.fault)
        else:
            other.open = False
            other.stop_timer()
            self._tunnel.on_closing()

    def _discard(self, data: bytes) -> None:
        """Pass on the rest of a frame at most, and see whether this end closes."""
        scanner, other = self.scanner, self.other
        left = scanner.left
        scanner.feed(data)
        if other.farewell:
            other.transport.write(data[:left])
            if len(data) >= left:
                other.transport.write(other.farewell)
                other.farewell = b""
                self._tunnel.on_closing()
        if scanner.over and not scanner.left and not self.said:
            self.said = True
            self._tunnel.on_closing()

    # Liveness (RFC 6455 section 5.5.2). Any byte from an end shows that it is there, and so does reading.

    def _schedule_ping(self, already: float = 0.0) -> None:
        if self._ping:
            self._timer = self._loop.call_later(max(0.0, self._ping - already), self._send_ping)

    def _send_ping(self) -> None:
        self._heard = False
        self._taken = self._read_by_peer()
        self._pinged = not self.other.scanner.left
        if self._pinged:
            self.transport.write(Frame(Opcode.PING, PING).serialize(mask=self._masks))
        self._timer = self._loop.call_later(self._pong, self._check)

    def _check(self) -> None:
        taken = self._read_by_peer()
        if self._heard or self._read_paused:
            self._schedule_ping(already=self._pong)
        elif taken > self._taken:  # Our ping waits behind what this end is still reading.
            self._taken = taken
            self._timer = self._loop.call_later(self._pong, self._check)
        elif self._pinged or self.transport.get_write_buffer_size():
            self.abort()
        else:
            self._schedule_ping(already=self._pong)

    def _read_by_peer(self) -> int:
        scanner = self.other.scanner
        return scanner.payload - scanner.left - self.transport.get_write_buffer_size()


class Tunnel:
    """Two ends of a WebSocket.

    Args:
        client: the client's connection, after its handshake.
        upstream: the other one.
        early: what the client has sent after its handshake.
        limit: bytes of one message from the client; 0 for no limit.
        ping: seconds between two pings to the client; 0 for none.
        pong: seconds that it may take to answer one.
        message: counts what the client has begun and not finished.
        counters: get those of the tunnel.
        on_client_lost: called once when the client's connection has ended.
        on_over: called once when both have, after the other.
    """

    __slots__ = (
        "_at_once",
        "_backlog",
        "_client",
        "_close_s",
        "_closing",
        "_expired",
        "_last_word",
        "_on_client_lost",
        "_on_over",
        "_upstream",
    )

    def __init__(
        self,
        client: asyncio.Transport,
        upstream: UpstreamEnd,
        early: bytes,
        *,
        limit: int,
        ping: float,
        pong: float,
        message: UnfinishedMessage,
        counters: Tunnelling,
        on_client_lost: Callable[[], None],
        on_over: Callable[[], None],
    ) -> None:
        self._on_client_lost, self._on_over = on_client_lost, on_over
        self._backlog = upstream.backlog
        self._close_s = upstream.close
        self._at_once = self._expired = False
        self._last_word = LOST  # For a client if its upstream ends without a Close frame.
        self._closing: asyncio.TimerHandle | None = None
        compression = bool(upstream.extensions)
        received = counters.received = FrameScanner(masked=True, limit=limit, compression=compression)
        sent = counters.sent = FrameScanner(masked=False, limit=upstream.message, compression=compression)
        self._client = End(self, client, received, message, masks=False, ping=ping, pong=pong)
        self._upstream = End(self, upstream.transport, sent, masks=True, ping=upstream.ping, pong=upstream.pong)
        self._client.other, self._upstream.other = self._upstream, self._client
        self._client.start(early)
        self._upstream.start(upstream.rest)
        for transport in (client, upstream.transport):
            if not transport.is_closing():
                transport.resume_reading()

    # What the server calls.

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Close both ends between two frames.

        Args:
            code: closing code.
            reason: its reason.
            at_once: the client's connection is closed when its frame is written, without waiting for its own.
        """
        self._at_once = self._at_once or at_once
        self._client.close(code, reason)
        self._upstream.close(code, reason)
        self.on_closing()

    def abort(self) -> None:
        """Cut both ends."""
        self._client.abort()
        self._upstream.abort()

    # What the ends call.

    def on_paused(self, end: End) -> None:
        """Hold the client back when the upstream is slow."""
        if end is self._upstream:
            self._client.hold_back(True)

    def on_unread(self, end: End) -> None:
        """Turn a client away that reads too slowly; one frame may be of any size."""
        if end is self._client:
            waiting = end.transport.get_write_buffer_size()
            if waiting > self._backlog + self._upstream.scanner.largest:
                self.close(TRY_AGAIN_LATER, "reading too slowly")

    def on_fault(self, end: End, code: int, reason: str) -> None:
        """Close the connection of an end with frames that cannot be followed.

        The upstream gets a Close frame in place of the client's broken one: it may still have something to send before
        its own, as a server has that finds the fault itself.
        """
        if end is self._client:
            self._last_word = code, reason
            self._upstream.close(code, reason)
            self.on_closing()
        else:
            self.close(code, reason)

    def on_closing(self) -> None:
        """Go on with the closing handshakes after a Close frame."""
        client, upstream = self._client, self._upstream
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(self._close_s, self._expire)
        if not client.open and not client.farewell and (client.said or self._at_once or self._expired):
            client.finish()
        if not upstream.open and not upstream.farewell and upstream.said:
            upstream.finish()

    def on_lost(self, end: End) -> None:
        """Close the other end, which cannot get the rest of a frame any more."""
        client, upstream = self._client, self._upstream
        if end is client:
            upstream.close(CloseCode.GOING_AWAY, "")
            self._on_client_lost()
        elif client.open:
            client.close(*self._last_word)
        else:
            client.finish()  # It has the upstream's last frame, or cannot get it whole.
        if upstream.farewell:
            upstream.finish()
        if not end.other.lost:
            self.on_closing()
            return
        if self._closing is not None:
            self._closing.cancel()
        client.release()
        upstream.release()
        self._on_over()

    def _expire(self) -> None:
        """End what has not closed in time."""
        self._expired = True
        self._upstream.abort()
        self.on_closing()
