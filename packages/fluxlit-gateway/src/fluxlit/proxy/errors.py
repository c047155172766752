"""Upstream errors, and the HTTP status of each.

The mapping follows RFC 9110: 502 for an upstream that cannot be reached or answers nonsense
(15.6.3), 503 where waiting helps (15.6.4), 504 for one that is too slow (15.6.5).
"""

from __future__ import annotations

from typing import ClassVar

from fluxlit.errors import FluxLitError


class UpstreamError(FluxLitError):
    """An exchange with the upstream failed.

    Attributes:
        status: the HTTP status of the response to the client, if nothing was sent yet.
    """

    status: ClassVar[int] = 502


class UpstreamUnreachableError(UpstreamError):
    """The connection was refused, or the socket is not there."""


class UpstreamDisconnectedError(UpstreamError):
    """The upstream closed the connection before its response was complete.

    Attributes:
        untouched: no byte of a response had arrived.
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
    """The limit of concurrent exchanges is reached, and none ended in time."""

    status = 503
