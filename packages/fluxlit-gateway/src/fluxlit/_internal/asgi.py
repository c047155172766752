"""ASGI 3.0: types, spelled as Starlette spells them, and headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Header = tuple[bytes, bytes]
"""Name in lower case and value of one header."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def request_header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a request's header; `None` without one."""
    return next((value for key, value in scope["headers"] if key == name), None)


def response_headers(message: Message) -> list[Header]:
    """The headers of a message that begins a response.

    Applications may leave them out, or give any iterable. One that can be read only once becomes a list in the message.
    """
    given: Iterable[Header] = message.get("headers", ())
    headers = message["headers"] = given if isinstance(given, list) else list(given)
    return headers


def is_html_page(start: Message) -> bool:
    """Whether a response is an HTML page with status 200."""
    if start["status"] != 200:
        return False
    kinds = (value for name, value in response_headers(start) if name.lower() == b"content-type")
    return next(kinds, b"").startswith(b"text/html")
