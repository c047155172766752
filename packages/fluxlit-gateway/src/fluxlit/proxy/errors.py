"""What can go wrong between the gateway and one upstream, and the status that says so.

The mapping follows RFC 9110: 502 for an upstream that cannot be reached or answers nonsense
(15.6.3), 503 where waiting helps (15.6.4), 504 for one that is too slow (15.6.5).
"""

from __future__ import annotations

from typing import ClassVar

from fluxlit.errors import FluxLitError


class UpstreamError(FluxLitError):
    """An exchange with the upstream failed.

    Attributes:
        status: the HTTP status that the client is answered with if nothing was sent yet.
    """

    status: ClassVar[int] = 502


class UpstreamUnreachableError(UpstreamError):
    """The connection was refused, or the socket is not there."""


class UpstreamDisconnectedError(UpstreamError):
    """The upstream closed the connection before its answer was complete.

    Attributes:
        untouched: True when not one byte of an answer had arrived.
    """

    def __init__(self, message: str, *, untouched: bool) -> None:
        self.untouched = untouched
        super().__init__(message)


class UpstreamProtocolError(UpstreamError):
    """The upstream's answer is not valid HTTP or WebSocket."""


class UpstreamTimeoutError(UpstreamError):
    """The upstream was too slow to accept a connection or to answer."""

    status = 504


class UpstreamBusyError(UpstreamError):
    """All exchanges that the limit allows are under way, and none ended in time."""

    status = 503
