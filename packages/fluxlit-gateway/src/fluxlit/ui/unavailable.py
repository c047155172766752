"""The answer while the UI cannot serve: 503, when to try again, and for people a page that does so by itself."""

from __future__ import annotations

from html import escape

from fluxlit.asgi import Scope, Send

RETRY_AFTER_S = 1

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{retry}">
<meta name="viewport" content="width=device-width"><title>Starting</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;color:#31333f;margin:20vh auto;max-width:32em;padding:0 1em}}
small{{color:#808495}}@media(prefers-color-scheme:dark){{body{{background:#0e1117;color:#fafafa}}}}</style></head>
<body><h1>One moment</h1><p>The application is starting. This page tries again by itself.</p>{note}</body></html>
"""


async def answer_unavailable(scope: Scope, send: Send) -> None:
    """Answer an HTTP request or a WebSocket handshake with 503."""
    headers = dict(scope["headers"])
    request_id = headers.get(b"x-request-id", b"").decode("latin-1")
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
    elif scope["type"] == "websocket":
        await _answer(send, "websocket.http", "text/plain", "The application is starting. Try again soon.\n")
    elif b"text/html" in headers.get(b"accept", b""):
        note = f"<p><small>Request {escape(request_id)}</small></p>" if request_id else ""
        await _answer(send, "http", "text/html", _PAGE.format(retry=RETRY_AFTER_S, note=note), scope["method"])
    else:
        note = f" Request {request_id}." if request_id else ""
        text = f"The application is starting. Try again soon.{note}\n"
        await _answer(send, "http", "text/plain", text, scope["method"])


async def _answer(send: Send, prefix: str, media_type: str, text: str, method: str = "GET") -> None:
    body = text.encode()
    headers = [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(RETRY_AFTER_S).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": f"{prefix}.response.start", "status": 503, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": b"" if method == "HEAD" else body})
