"""Answers that FluxLit gives itself, to an HTTP request or to a WebSocket handshake that it refuses."""

from __future__ import annotations

from fluxlit.asgi import Scope, Send

Header = tuple[bytes, bytes]

NO_STORE = (b"cache-control", b"no-store")


async def reply(
    scope: Scope, send: Send, status: int, body: bytes, content_type: bytes, headers: list[Header] | None = None
) -> None:
    """Send a whole answer.

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


async def reply_text(scope: Scope, send: Send, status: int, text: str, headers: list[Header] | None = None) -> None:
    """Answer with one line of plain text, and one with the request's id if it has one."""
    request_id = request_id_of(scope)
    body = f"{text}\nRequest {request_id}.\n" if request_id else f"{text}\n"
    await reply(scope, send, status, body.encode(), b"text/plain; charset=utf-8", [NO_STORE, *(headers or [])])


def request_id_of(scope: Scope) -> str:
    """The request's id, which the outermost layer has checked or made; empty without such a layer."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
