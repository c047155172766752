"""The worker cookie on responses, and requests repeated at other workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from fluxlit._internal.asgi import Application, Header, Message, Receive, Scope, Send, is_html_page, response_headers

_REPEATABLE = frozenset({"GET", "HEAD"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class CookieSetter:
    """A `send` that adds a cookie to HTML pages and accepted WebSockets.

    Other responses stay as they are: they can be cached and shared, and a cookie on each would only be noise.
    """

    __slots__ = ("_header", "_send")

    def __init__(self, send: Send, header: Callable[[], Header]) -> None:
        self._send = send
        self._header = header

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        kind = message["type"]
        if kind == "websocket.accept" or (kind == "http.response.start" and is_html_page(message)):
            message = {**message, "headers": [*response_headers(message), self._header()]}
        return self._send(message)


class NotFoundFilter:
    """A `send` that keeps a response of 404 back.

    Attributes:
        missed: the messages of it; empty while the response is another.
    """

    __slots__ = ("_send", "missed")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.missed: list[Message] = []

    async def __call__(self, message: Message) -> None:
        """Send a message, unless it is part of a 404."""
        if self.missed or (message["type"] == "http.response.start" and message["status"] == 404):
            self.missed.append(message)
        else:
            await self._send(message)


async def ask_in_turn(places: Iterable[Application], scope: Scope, receive: Receive, send: Send) -> None:
    """Try one worker after the other until one does not respond with 404.

    A request with a body, or one that changes something, is not repeated.

    Args:
        places: at least one. Each is taken from here when its turn comes, so that an iterator can leave out workers
            that have gone while the ones before them were asked.
        scope: of the request.
        receive: of the request.
        send: of the request.
    """
    repeatable = scope["method"] in _REPEATABLE and not any(name in _FRAMING for name, _ in scope["headers"])
    missed: list[Message] = []
    for place in places:
        attempt = NotFoundFilter(send)
        await place(scope, receive, attempt)
        missed = attempt.missed
        if not (missed and repeatable):
            break
    for message in missed:
        await send(message)
