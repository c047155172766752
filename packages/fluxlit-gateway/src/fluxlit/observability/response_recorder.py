"""Recording of responses: by our server, or by a `send` before another."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from fluxlit._internal.asgi import Message, Send, response_headers
from fluxlit.observability.request_counters import RequestCounters
from fluxlit.observability.request_record import RequestRecord


class Answer(Protocol):
    """A response of our server, which updates the record itself.

    A server validates each header of a response. For four headers of ours that never change this is the largest cost,
    and each message through one more `send` costs as much again. So our server takes finished lines from the record,
    and reports the end.

    Attributes:
        seen: the record.
    """

    seen: RequestRecord | None


class RecordingSend:
    """A `send` that updates the record, for other servers.

    It returns the next `send`'s awaitable instead of awaiting it, which saves a coroutine for every message.

    Args:
        send: the next.
        seen: the record.
        traffic: counts open WebSockets.
    """

    __slots__ = ("_seen", "_send", "_traffic")

    def __init__(self, send: Send, seen: RequestRecord, traffic: RequestCounters) -> None:
        self._send = send
        self._seen = seen
        self._traffic = traffic

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        seen, kind = self._seen, message["type"]
        if kind == "http.response.body":
            seen.sent += len(message.get("body", b""))
        elif kind == "http.response.start":
            seen.status = message["status"]
            message = {**message, "headers": seen.completed(response_headers(message))}
        elif kind == "websocket.send":
            seen.sent += len(message.get("bytes") or message.get("text") or b"")
        else:
            message = self._of_handshake(kind, message)
        return self._send(message)

    def _of_handshake(self, kind: str, message: Message) -> Message:
        seen = self._seen
        if kind == "websocket.accept":
            seen.status = 101
            self._traffic.opened(seen.route)
            return {**message, "headers": seen.labelled(response_headers(message))}
        if kind == "websocket.http.response.start":
            seen.status = message["status"]
            return {**message, "headers": seen.labelled(response_headers(message))}
        if kind == "websocket.close":
            seen.status = seen.status or 403  # What the server answers then.
        elif kind == "websocket.http.response.body":
            seen.sent += len(message.get("body", b""))
        return message
