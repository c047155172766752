"""The answer while the UI cannot serve: 503, when to try again, and for people a page that does so by itself."""

from __future__ import annotations

from html import escape

from fluxlit.asgi import Scope, Send
from fluxlit.reply import NO_STORE, Header, reply, reply_text, request_id_of

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
    headers: list[Header] = [(b"retry-after", str(RETRY_AFTER_S).encode())]
    accepted = dict(scope["headers"]).get(b"accept", b"")
    if scope["type"] == "websocket" or b"text/html" not in accepted:
        await reply_text(scope, send, 503, "The application is starting. Try again soon.", headers)
        return
    request_id = request_id_of(scope)
    note = f"<p><small>Request {escape(request_id)}</small></p>" if request_id else ""
    page = _PAGE.format(retry=RETRY_AFTER_S, note=note).encode()
    await reply(scope, send, 503, page, b"text/html; charset=utf-8", [NO_STORE, *headers])
