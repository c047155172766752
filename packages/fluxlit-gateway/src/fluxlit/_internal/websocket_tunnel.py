"""Types that a server and a proxy share to make a WebSocket a tunnel.

A server that owns its sockets puts a `Tunnelling` into the scope of a handshake. The proxy may then accept with an
`UpstreamEnd` in the message instead of relaying messages, and waits for `websocket.disconnect`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

TUNNEL = "fluxlit.tunnel"
"""Key of the `Tunnelling` in an ASGI scope, and of the `UpstreamEnd` in the message that accepts."""


class Counts(Protocol):
    """Counters of one direction."""

    messages: int
    payload: int


class Tunnelling:
    """What is known of a tunnel while it is open, and after it.

    Attributes:
        received: counters of the messages from the client; `None` until the tunnel is there.
        sent: of those to the client.
    """

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received: Counts | None = None
        self.sent: Counts | None = None


@dataclass(frozen=True, slots=True)
class UpstreamEnd:
    """A connection to an upstream after its handshake.

    Attributes:
        transport: the connection; it is not read.
        rest: what the upstream has sent after its handshake.
        ping: seconds between two pings to it; 0 for none.
        pong: seconds that it may take to answer one.
        close: seconds for the closing handshake.
        message: bytes of one message from it; 0 for no limit.
        backlog: bytes from it that may wait for a slow client.
        extensions: value of Sec-WebSocket-Extensions in its response; empty for none.
    """

    transport: asyncio.Transport
    rest: bytes
    ping: float
    pong: float
    close: float
    message: int
    backlog: int
    extensions: bytes = b""
