"""One answer on its way to the server: it gets the fields that the gateway wants it to have, and is counted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from typing import Protocol

from fluxlit.asgi import Message, Send
from fluxlit.observe.observation import Observation
from fluxlit.observe.request_id import HEADER
from fluxlit.observe.traffic import Traffic

Header = tuple[bytes, bytes]
Fields = Sequence[Header]

HEAD = "fluxlit.head"
"""Key in an ASGI scope of whoever writes the answer's head, if that is a part of ours.

A server looks at each field of an answer: whether its name and its value are valid, and whether it is one that
concerns the server. For four fields that are ours and never change this takes longer than all else that is done for
them. So they are handed to the writer as lines, past the server. Any other server gets them as fields.
"""


class Head(Protocol):
    """What writes the head of an answer.

    Attributes:
        fields: lines, each with its line end, that go into the head.
    """

    fields: bytes


class Answer:
    """A `send` for one request.

    It returns the next `send`'s awaitable instead of awaiting it, which saves a coroutine for every message.

    Args:
        send: the next.
        seen: the request.
        traffic: counts open WebSockets.
        own: the field that only the gateway writes.
        others: fields that an answer to an HTTP request gets unless it has them.
        head: writes the head; `None` for a server that does it itself.

    Attributes:
        status: what was answered; 0 for nothing yet.
        sent: bytes of the body or of messages.
        started: when the request came, by `time.perf_counter`.
    """

    __slots__ = ("_head", "_others", "_own", "_seen", "_send", "_traffic", "sent", "started", "status")

    def __init__(
        self, send: Send, seen: Observation, traffic: Traffic, own: Header, others: Fields, head: Head | None = None
    ) -> None:
        self._send = send
        self._head = head
        self._own = own
        self._others = others
        self._seen = seen
        self._traffic = traffic
        self.status = 0
        self.sent = 0
        self.started = time.perf_counter()

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        kind = message["type"]
        if kind == "http.response.body":
            self.sent += len(message.get("body", b""))
        elif kind == "http.response.start":
            self.status = message["status"]
            message = self._begun(message)
        elif kind == "websocket.send":
            self.sent += len(message.get("bytes") or message.get("text") or b"")
        else:
            message = self._of_handshake(kind, message)
        return self._send(message)

    def _of_handshake(self, kind: str, message: Message) -> Message:
        if kind == "websocket.accept":
            self.status = 101
            self._traffic.opened(self._seen.route)
            return self._labelled(message)
        if kind == "websocket.http.response.start":
            self.status = message["status"]
            return self._labelled(message)
        if kind == "websocket.close":
            self.status = self.status or 403  # What the server answers then.
        elif kind == "websocket.http.response.body":
            self.sent += len(message.get("body", b""))
        return message

    def _begun(self, message: Message) -> Message:
        headers = message.get("headers", ())
        present = {name for name, _ in headers}
        own = [*[field for field in self._others if field[0] not in present], self._own]
        if HEADER in present:
            headers = [field for field in headers if field[0] != HEADER]
        if self._head is None:
            return {**message, "headers": [*headers, *own]}
        self._head.fields = b"".join([b"%b: %b\r\n" % field for field in own])
        return {**message, "headers": headers}

    def _labelled(self, message: Message) -> Message:
        headers = [field for field in message.get("headers", ()) if field[0] != HEADER]
        return {**message, "headers": [*headers, self._own]}
