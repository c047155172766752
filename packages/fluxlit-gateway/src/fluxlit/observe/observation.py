"""One request as it is seen from outside. Its answer passes here, gets the gateway's fields, and is counted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fluxlit.asgi import Message, Scope, Send
from fluxlit.observe.request_id import HEADER
from fluxlit.observe.traffic import Traffic

Header = tuple[bytes, bytes]

OBSERVATION = "fluxlit.observation"
"""Key of the `Observation` in an ASGI scope."""

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


@dataclass(frozen=True)
class Defaults:
    """Fields that an answer gets unless it has them.

    Attributes:
        fields: names in lower case, and values.
        names: the names alone.
        lines: all of them as a head has them.
    """

    fields: tuple[Header, ...]
    names: frozenset[bytes]
    lines: bytes

    @classmethod
    def of(cls, fields: Sequence[Header]) -> Defaults:
        """Prepare them once for all answers."""
        return cls(tuple(fields), frozenset(name for name, _ in fields), lines_of(fields))

    def missing(self, present: set[bytes]) -> list[Header]:
        """Those that an answer with these names gets."""
        return [field for field in self.fields if field[0] not in present]


def lines_of(fields: Sequence[Header]) -> bytes:
    """Fields as a head has them (RFC 9112 section 5)."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


class Observation:
    """One request, and the `send` for its answer.

    It returns the next `send`'s awaitable instead of awaiting it, which saves a coroutine for every message.

    Args:
        send: the next.
        request_id: the request's name in every log.
        traffic: counts open WebSockets.
        defaults: what an answer to an HTTP request gets.
        head: writes the head; `None` for a server that does it itself.

    Attributes:
        request_id: as given.
        route: which part of the gateway served it; empty until the gateway has decided.
        status: what was answered; 0 for nothing yet.
        sent: bytes of the body or of messages.
        started: when the request came, by `time.perf_counter`.
    """

    __slots__ = ("_defaults", "_head", "_own", "_send", "_traffic", "request_id", "route", "sent", "started", "status")

    def __init__(
        self, send: Send, request_id: bytes, traffic: Traffic, defaults: Defaults, head: Head | None = None
    ) -> None:
        self._send = send
        self._own = request_id
        self._traffic = traffic
        self._defaults = defaults
        self._head = head
        self.request_id = request_id.decode("ascii")
        self.route = ""
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
            self._traffic.opened(self.route)
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
        defaults = self._defaults
        headers = message.get("headers", ())
        present = {name for name, _ in headers}
        if HEADER in present:
            headers = [field for field in headers if field[0] != HEADER]
            message = {**message, "headers": headers}
        if self._head is None:
            return {**message, "headers": [*headers, *defaults.missing(present), (HEADER, self._own)]}
        lines = defaults.lines if defaults.names.isdisjoint(present) else lines_of(defaults.missing(present))
        self._head.fields = b"%b%b: %b\r\n" % (lines, HEADER, self._own)
        return message

    def _labelled(self, message: Message) -> Message:
        headers = [field for field in message.get("headers", ()) if field[0] != HEADER]
        return {**message, "headers": [*headers, (HEADER, self._own)]}


def classify(scope: Scope, route: str) -> None:
    """Note which part of the gateway serves a request; without an observer nothing happens."""
    seen: Observation | None = scope.get(OBSERVATION)
    if seen is not None:
        seen.route = route
