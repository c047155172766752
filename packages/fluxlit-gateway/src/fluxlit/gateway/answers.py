"""The few answers that the gateway gives itself, beyond plain text."""

from __future__ import annotations

import json
from http import HTTPStatus

from fluxlit.asgi import Scope, Send
from fluxlit.reply import NO_STORE, Header, reply, request_id_of


async def answer_problem(scope: Scope, send: Send, status: int, text: str, headers: list[Header] | None = None) -> None:
    """Answer with a problem in JSON (RFC 9457), which also has the key that FastAPI's own errors have."""
    problem: dict[str, str | int] = {"title": HTTPStatus(status).phrase, "status": status, "detail": text}
    if request_id := request_id_of(scope):
        problem["request_id"] = request_id
    body = json.dumps(problem, separators=(",", ":")).encode()
    await reply(scope, send, status, body, b"application/problem+json", headers or [NO_STORE])


async def answer_json(scope: Scope, send: Send, status: int, content: dict[str, str]) -> None:
    """Answer with a JSON object."""
    body = json.dumps(content, separators=(",", ":")).encode()
    await reply(scope, send, status, body, b"application/json", [NO_STORE])


async def redirect(scope: Scope, send: Send, location: bytes) -> None:
    """Send a browser elsewhere, with the same method (RFC 9110 section 15.4.8)."""
    await reply(scope, send, 307, b"", b"text/plain; charset=utf-8", [(b"location", location), NO_STORE])
