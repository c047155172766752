"""The script in Streamlit's page that keeps a session over a reload.

Streamlit's front end offers the id of its last session whenever its connection was lost, and forgets it on a reload.
The script (tab_reload.js) keeps it in the tab and offers it once more, with a mark by which the server knows that this
browser begins with an empty page.
"""

from __future__ import annotations

import json
from importlib.resources import files

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send, response_headers
from fluxlit.streamlit.messages import session_id_fields

RELOADED = "fluxlit-reloaded"
"""The mark: a WebSocket subprotocol behind the session's id."""

HEAD = b"<head>"
ROOT = b'<div id="root">'
TAG = b'-tab"'
"""End of the entity tag of a page with the script; without, a browser would keep the page from before."""

NOT_MODIFIED = 304
OTHERS = ("/media/", "/component/", "/_stcore/", "/app/static/", "/static/")
_CONDITIONS = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"accept-encoding", b"range"})


def with_script(app: Application, base: str) -> Application:
    """Streamlit's application with the script in its page.

    Args:
        app: Streamlit's.
        base: public mount, which its paths begin with.
    """
    script = b"<script>\n" + _script().encode() + b"</script>\n"

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].removeprefix(base).startswith(OTHERS):
            await app(scope, receive, send)
            return
        known = [value for name, value in scope["headers"] if name == b"if-none-match" and value.endswith(TAG)]
        headers = [field for field in scope["headers"] if field[0] not in _CONDITIONS]
        headers += [(b"if-none-match", value.removesuffix(TAG) + b'"') for value in known]
        answer = _Answer(send, script, whole=scope["method"] != "HEAD")
        await app({**scope, "headers": headers}, receive, answer)

    return serve


class _Answer:
    """A `send` that puts the script into a page."""

    def __init__(self, send: Send, script: bytes, *, whole: bool) -> None:
        self._send = send
        self._script = script
        self._whole = whole
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Take one message of the response."""
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body, headers = self._body, response_headers(start)
        if ROOT in body or not self._whole or start["status"] == NOT_MODIFIED:
            body = body.replace(HEAD, HEAD + self._script, 1)
            headers = [_changed(name, value, len(self._script)) for name, value in headers]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    fields = dict(response_headers(start))
    return start["status"] in (200, NOT_MODIFIED) and fields.get(b"content-type", b"text/html").startswith(b"text/html")


def _changed(name: bytes, value: bytes, more: int) -> tuple[bytes, bytes]:
    if name == b"content-length":
        return name, str(int(value) + more).encode()
    return name, value.removesuffix(b'"') + TAG if name == b"etag" else value


def _script() -> str:
    text = files(__package__).joinpath("tab_reload.js").read_text("utf-8")
    return text.replace("__MARK__", RELOADED).replace("__FIELDS__", json.dumps(session_id_fields()))
