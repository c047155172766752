"""Record of a request: its id, its route and its response."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fluxlit._internal.asgi import Header, Scope
from fluxlit.observability.request_id import HEADER

CSP, FRAME_OPTIONS = b"content-security-policy", b"x-frame-options"

REQUEST_RECORD = "fluxlit.request_record"
"""Key of the `RequestRecord` in an ASGI scope."""

ANSWER = "fluxlit.answer"
"""Key of the response's `seen` in an ASGI scope, if our server writes it."""


@dataclass(frozen=True)
class Defaults:
    """Headers that a response gets unless it has them.

    Attributes:
        fields: names in lower case, and values.
        beginnings: how their lines begin.
        lines: all of them as a head has them.
    """

    fields: tuple[Header, ...]
    beginnings: frozenset[bytes]
    lines: bytes

    @classmethod
    def of(cls, fields: Sequence[Header]) -> Defaults:
        """Prepare them once for all responses."""
        return cls(tuple(fields), frozenset(name + b": " for name, _ in fields), lines_of(fields))

    def missing(self, present: set[bytes]) -> list[Header]:
        """Those that a response with these names lacks."""
        # `frame-ancestors` overrides X-Frame-Options, which the application has set to a value of its own here.
        present = present | {CSP} if FRAME_OPTIONS in present else present
        return [field for field in self.fields if field[0] not in present]


def lines_of(fields: Sequence[Header]) -> bytes:
    """Headers as lines (RFC 9112 section 5)."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


class RequestRecord:
    """One request; the writer of its response reports its progress.

    Args:
        request_id: the request's name in every log.
        defaults: headers for a response over HTTP.

    Attributes:
        finish: called once when the request is over.
        request_id: as given.
        route: which part of the gateway served it; empty until the gateway has decided.
        status: of the response; 0 before it.
        sent: bytes of the body or of messages.
        started: when the request came, by `time.perf_counter`.
    """

    __slots__ = ("_defaults", "_own", "finish", "request_id", "route", "sent", "started", "status")

    def __init__(self, request_id: bytes, defaults: Defaults) -> None:
        self._own = request_id
        self._defaults = defaults
        self.finish: Callable[[RequestRecord], None] | None = None
        self.request_id = request_id.decode("ascii")
        self.route = ""
        self.status = 0
        self.sent = 0
        self.started = time.perf_counter()

    def begun(self, status: int, beginnings: Sequence[bytes]) -> bytes:
        """Take note of a response's head.

        Args:
            status: of the response.
            beginnings: of its lines, in lower case: ``name: ``.

        Returns:
            Lines that go into the head besides.
        """
        self.status = status
        defaults = self._defaults
        lines = defaults.lines
        if not defaults.beginnings.isdisjoint(beginnings):
            lines = lines_of(defaults.missing({beginning[:-2] for beginning in beginnings}))
        return lines + HEADER + b": " + self._own + b"\r\n"

    def completed(self, headers: Iterable[Header]) -> list[Header]:
        """The headers of a response and the defaults that it lacks."""
        fields = self.labelled(headers)
        return [*fields, *self._defaults.missing({name.lower() for name, _ in fields})]

    def labelled(self, headers: Iterable[Header]) -> list[Header]:
        """Headers with the id of the request."""
        return [*[field for field in headers if field[0].lower() != HEADER], (HEADER, self._own)]

    def over(self) -> None:
        """Take note that the request is over."""
        finish, self.finish = self.finish, None
        if finish is not None:
            finish(self)


def classify(scope: Scope, route: str) -> None:
    """Note the route of a request, if it has a record."""
    seen: RequestRecord | None = scope.get(REQUEST_RECORD)
    if seen is not None:
        seen.route = route


def count_sent(scope: Scope, size: int) -> None:
    """Count bytes that have gone to the client past the response's `send`."""
    seen: RequestRecord | None = scope.get(REQUEST_RECORD)
    if seen is not None:
        seen.sent += size
