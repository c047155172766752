"""What the choice of a worker does to an answer: a cookie is set on it, and a 404 may not be the last word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send

Field = tuple[bytes, bytes]

_REPEATABLE = frozenset({"GET", "HEAD"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class SettingCookie:
    """A `send` that adds a cookie to an accepted WebSocket and to the HTML page that will open one.

    Other answers stay as they are: they can be cached and shared, and a cookie on each would only be noise.
    """

    __slots__ = ("_field", "_send")

    def __init__(self, send: Send, field: Callable[[], Field]) -> None:
        self._send = send
        self._field = field

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        if message["type"] == "websocket.accept" or (message["type"] == "http.response.start" and is_page(message)):
            message = {**message, "headers": [*message.get("headers", ()), self._field()]}
        return self._send(message)


def is_page(message: Message) -> bool:
    """Whether an answer's head announces HTML that was found."""
    kinds = (value for name, value in message["headers"] if name == b"content-type")
    return message["status"] == 200 and next(kinds, b"").startswith(b"text/html")


class Overlooking:
    """A `send` that keeps an answer of 404 to itself.

    Attributes:
        missed: there was one.
    """

    __slots__ = ("_send", "missed")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.missed = False

    async def __call__(self, message: Message) -> None:
        """Send a message, unless it is part of a 404."""
        if message["type"] == "http.response.start" and message["status"] == 404:
            self.missed = True
        if not self.missed:
            await self._send(message)


async def ask_in_turn(places: Sequence[Application], scope: Scope, receive: Receive, send: Send) -> None:
    """Ask one place after the other for a file; the 404 of the last is the answer.

    A request with a body, or one that changes something, is not repeated.
    """
    repeatable = scope["method"] in _REPEATABLE and not any(name in _FRAMING for name, _ in scope["headers"])
    for place in places[:-1] if repeatable else ():
        attempt = Overlooking(send)
        await place(scope, receive, attempt)
        if not attempt.missed:
            return
    await (places[-1] if repeatable else places[0])(scope, receive, send)
