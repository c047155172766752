"""Responses of FluxLit's own, to requests and refused handshakes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from http import HTTPStatus

from fluxlit._internal.asgi import Header, Scope, Send, request_header
from fluxlit._internal.streamlit_paths import PROBES
from fluxlit._internal.system_page import look_of

NO_STORE = (b"cache-control", b"no-store")

RETRY_AFTER_S = 1


async def reply(
    scope: Scope, send: Send, status: int, body: bytes, content_type: bytes, headers: list[Header] | None = None
) -> None:
    """Send a complete response.

    A server without the extension for refused handshakes can only close: the browser then sees 403.
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


def html_page(
    scope: Scope,
    title: str,
    detail: str,
    *,
    links: Sequence[tuple[str, str]] = (),
    retry_s: int | None = None,
    content: str = "",
) -> bytes:
    """A page for a person, with the id of the request if it has one.

    Args:
        scope: the request.
        title: in plain text, as are the others.
        detail: one paragraph.
        links: address and label of each.
        retry_s: see `Look.render`.
        content: HTML below the paragraph, not escaped; see `Look.render`.
    """
    anchors = "".join(f'<a href="{escape(href)}">{escape(label)}</a>' for href, label in links)
    return (
        look_of(scope)
        .render(
            title,
            detail,
            content=content + (f"<p>{anchors}</p>" if anchors else ""),
            retry_s=retry_s,
            request_id=request_id_of(scope),
        )
        .encode()
    )


async def reply_text(scope: Scope, send: Send, status: int, text: str, headers: list[Header] | None = None) -> None:
    """Respond with one line of text, and the request id if known.

    A browser that opens the address gets a page with it.
    """
    if wants_page(scope):
        page = html_page(scope, HTTPStatus(status).phrase, text)
        await reply(scope, send, status, page, b"text/html; charset=utf-8", [NO_STORE, *(headers or [])])
        return
    request_id = request_id_of(scope)
    body = f"{text}\nRequest {request_id}.\n" if request_id else f"{text}\n"
    await reply(scope, send, status, body.encode(), b"text/plain; charset=utf-8", [NO_STORE, *(headers or [])])


def wants_page(scope: Scope) -> bool:
    """Whether a browser opens the address, and shows a person what it gets."""
    return scope["type"] == "http" and b"text/html" in (request_header(scope, b"accept") or b"")


def request_id_of(scope: Scope) -> str:
    """The request id, set by the outermost middleware; empty without it."""
    return (request_header(scope, b"x-request-id") or b"").decode("latin-1")


async def answer_problem(scope: Scope, send: Send, status: int, text: str, headers: list[Header] | None = None) -> None:
    """Respond with problem JSON (RFC 9457), with FastAPI's ``detail`` key."""
    problem: dict[str, str | int] = {"title": HTTPStatus(status).phrase, "status": status, "detail": text}
    if request_id := request_id_of(scope):
        problem["request_id"] = request_id
    body = json.dumps(problem, separators=(",", ":")).encode()
    await reply(scope, send, status, body, b"application/problem+json", headers or [NO_STORE])


async def answer_json(scope: Scope, send: Send, status: int, content: dict[str, str]) -> None:
    """Respond with a JSON object."""
    body = json.dumps(content, separators=(",", ":")).encode()
    await reply(scope, send, status, body, b"application/json", [NO_STORE])


async def redirect(scope: Scope, send: Send, location: bytes) -> None:
    """Redirect and keep the method (307, RFC 9110 section 15.4.8)."""
    await reply(scope, send, 307, b"", b"text/plain; charset=utf-8", [(b"location", location), NO_STORE])


async def answer_unavailable(scope: Scope, send: Send) -> None:
    """Respond to an HTTP request or a WebSocket handshake with 503."""
    headers: list[Header] = [(b"retry-after", str(RETRY_AFTER_S).encode())]
    if scope["type"] == "http" and scope["path"].endswith(PROBES):
        # The front end shows a response to a person if it is JSON, and only the number 503 if it is not.
        body = json.dumps("The application is starting. This page goes on by itself.").encode()
        await reply(scope, send, 503, body, b"application/json", [NO_STORE, *headers])
        return
    if not wants_page(scope):
        await reply_text(scope, send, 503, "The application is starting. Try again soon.", headers)
        return
    page = html_page(
        scope,
        "One moment",
        "The application is starting. This page tries again by itself.",
        links=(("", "Try again now"),),
        retry_s=RETRY_AFTER_S,
    )
    await reply(scope, send, 503, page, b"text/html; charset=utf-8", [NO_STORE, *headers])
