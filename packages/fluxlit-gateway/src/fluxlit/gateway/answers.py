"""The few answers that the gateway gives itself."""

from __future__ import annotations

import json
from http import HTTPStatus

from fluxlit.asgi import Scope, Send
from fluxlit.observe import OBSERVATION, Observation

Header = tuple[bytes, bytes]

NO_STORE = (b"cache-control", b"no-store")


async def answer(
    scope: Scope, send: Send, status: int, body: bytes, content_type: bytes, headers: list[Header] | None = None
) -> None:
    """Send a whole answer, to an HTTP request or to a WebSocket handshake that is refused.

    A server without the extension for refusals can only close: the browser then sees 403.
    """
    fields = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *(headers or [])]
    prefix = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close"})
            return
        prefix = "websocket.http"
    if scope.get("method") == "HEAD":
        body = b""
    await send({"type": f"{prefix}.response.start", "status": status, "headers": fields})
    await send({"type": f"{prefix}.response.body", "body": body})


async def answer_text(scope: Scope, send: Send, status: int, text: str) -> None:
    """Answer with one line of plain text, and one with the request's id if it has one."""
    request_id = request_id_of(scope)
    body = f"{text}\nRequest {request_id}.\n" if request_id else f"{text}\n"
    await answer(scope, send, status, body.encode(), b"text/plain; charset=utf-8", [NO_STORE])


async def answer_problem(scope: Scope, send: Send, status: int, text: str) -> None:
    """Answer with a problem in JSON (RFC 9457), which also has the key that FastAPI's own errors have."""
    problem: dict[str, str | int] = {"title": HTTPStatus(status).phrase, "status": status, "detail": text}
    if request_id := request_id_of(scope):
        problem["request_id"] = request_id
    body = json.dumps(problem, separators=(",", ":")).encode()
    await answer(scope, send, status, body, b"application/problem+json", [NO_STORE])


async def answer_json(scope: Scope, send: Send, status: int, content: dict[str, str]) -> None:
    """Answer with a JSON object."""
    body = json.dumps(content, separators=(",", ":")).encode()
    await answer(scope, send, status, body, b"application/json", [NO_STORE])


def request_id_of(scope: Scope) -> str:
    """The id that the outermost layer gave the request; empty without one."""
    seen: Observation | None = scope.get(OBSERVATION)
    return seen.request_id if seen is not None else ""


async def redirect(scope: Scope, send: Send, location: bytes) -> None:
    """Send a browser elsewhere, with the same method (RFC 9110 section 15.4.8)."""
    await answer(scope, send, 307, b"", b"text/plain; charset=utf-8", [(b"location", location), NO_STORE])
