"""The outermost layer: every request gets an id, every answer carries it, and the access log is written."""

from __future__ import annotations

from collections.abc import Awaitable

from fluxlit.asgi import Application, Message, Receive, Scope, Send
from fluxlit.observe.access import AccessLog, Count
from fluxlit.observe.observation import OBSERVATION, Observation
from fluxlit.observe.request_id import HEADER, is_request_id, new_request_id

FIRST_MESSAGES = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Observer:
    """An ASGI application around another.

    The id goes into the request's fields, so that API and Streamlit read it where any proxy would have put it,
    and into the fields of the answer. An id of the client's own is kept if it is well-formed.

    Args:
        application: what is observed.
        log: the access log; falsy for none, and then nothing is measured.
    """

    def __init__(self, application: Application, *, log: AccessLog | None = None) -> None:
        self._application = application
        self._log = log or None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or WebSocket."""
        headers, request_id = identified(scope["headers"])
        seen = Observation(request_id.decode("ascii"))
        scope = {**scope, "headers": headers, OBSERVATION: seen}
        if self._log is None:
            await self._application(scope, receive, Labelled(send, request_id))
            return
        count = Count(send)
        try:
            await self._application(scope, receive, Labelled(count.send, request_id))
        except Exception:
            count.status = count.status or 500  # What the server is about to answer.
            raise
        finally:
            self._log.write(scope, seen, count)


class Labelled:
    """A `send` that adds the id to the answer's head.

    It returns the next `send`'s awaitable instead of awaiting it, which saves a coroutine for every message.
    """

    __slots__ = ("_field", "_send")

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._field = (HEADER, request_id)

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        if message["type"] in FIRST_MESSAGES:
            headers = [field for field in message.get("headers", ()) if field[0] != HEADER]
            message = {**message, "headers": [*headers, self._field]}
        return self._send(message)


def identified(headers: list[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """A request's fields with exactly one X-Request-ID, and its value.

    A client that sends two ids, or one that is not well-formed, gets a new one: whom it wants to confuse is a
    matter of guessing.
    """
    told = [value for name, value in headers if name == HEADER]
    if len(told) == 1 and is_request_id(told[0]):
        return headers, told[0]
    request_id = new_request_id()
    kept = [field for field in headers if field[0] != HEADER] if told else headers
    return [*kept, (HEADER, request_id)], request_id
