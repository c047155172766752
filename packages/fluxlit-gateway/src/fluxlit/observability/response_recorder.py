"""How an observation learns of an answer: from a server of ours, or by looking at what is sent to another's."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from fluxlit._internal.asgi import Message, Send
from fluxlit.observability.request_counters import Traffic
from fluxlit.observability.request_record import Observation


class Answer(Protocol):
    """A server's side of one answer, which tells the observation itself.

    A server looks at each field of an answer: whether its name and its value are valid, and whether it is one that
    concerns the server. For four fields that are ours and never change this takes longer than all else that is done
    for them, and each message that passes through one more `send` costs as much again. So a server of ours asks the
    observation for its lines, and tells it when all is over.

    Attributes:
        seen: who is told.
    """

    seen: Observation | None


class Observed:
    """A `send` in front of a server's own, which knows nothing of observations.

    It returns the next `send`'s awaitable instead of awaiting it, which saves a coroutine for every message.

    Args:
        send: the next.
        seen: who is told.
        traffic: counts open WebSockets.
    """

    __slots__ = ("_seen", "_send", "_traffic")

    def __init__(self, send: Send, seen: Observation, traffic: Traffic) -> None:
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
            message = {**message, "headers": seen.completed(message.get("headers", ()))}
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
            return {**message, "headers": seen.labelled(message.get("headers", ()))}
        if kind == "websocket.http.response.start":
            seen.status = message["status"]
            return {**message, "headers": seen.labelled(message.get("headers", ()))}
        if kind == "websocket.close":
            seen.status = seen.status or 403  # What the server answers then.
        elif kind == "websocket.http.response.body":
            seen.sent += len(message.get("body", b""))
        return message
