"""The banner of an open tab after the end of its login.

The gateway closes the WebSockets of a login that has ended. Streamlit's front end then asks whether its server is
there. It is refused with 401 until the user signs in again; or, where a page is public, it is let in without a user,
and does not even run the page again. The script learns from these responses that the user is gone, clears the page and
shows why. It needs no address of any login: a reload leads through it and back to the same page.

An external Streamlit serves its own page. There the person reads the text of the refusal in Streamlit's own dialog.
"""

from __future__ import annotations

from pathlib import Path

from fluxlit._internal.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    is_html_page,
    request_header,
    response_headers,
)
from fluxlit.frontend import ENCODINGS, chosen
from fluxlit.frontend.variants import COMPRESSORS

SCRIPT = f"<script>\n{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}</script>\n"
MARK = b"</title>"
"""The script stands behind this, before Streamlit's own, which are modules and run later."""

# A compressed page, a part of it, or "you have it already" could not be changed.
_NOT_WHOLE = frozenset({b"accept-encoding", b"range", b"if-none-match", b"if-modified-since"})
# The page is not the file any more that these describe.
_OF_THE_FILE = frozenset({b"content-length", b"etag", b"last-modified", b"accept-ranges"})


def with_session_expired_banner(application: Application) -> Application:
    """Streamlit's application with the script in its page."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not _wants_page(scope):
            await application(scope, receive, send)
            return
        plain = [field for field in scope["headers"] if field[0] not in _NOT_WHOLE]
        page = _Page(send, request_header(scope, b"accept-encoding") or b"", head=scope["method"] == "HEAD")
        await application({**scope, "headers": plain}, receive, page)

    return serve


def _wants_page(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


class _Page:
    """A `send` that adds the script to an HTML response."""

    def __init__(self, send: Send, accepted: bytes, *, head: bool) -> None:
        self._send = send
        self._encoding = chosen(accepted.decode("latin-1"))
        self._head = head
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        """Send a message, or keep it."""
        if message["type"] == "http.response.start" and is_html_page(message):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        headers = [field for field in response_headers(start) if field[0].lower() not in _OF_THE_FILE]
        body = bytes(self._body).replace(MARK, MARK + SCRIPT.encode(), 1)
        if self._encoding:
            body = COMPRESSORS[ENCODINGS[self._encoding].quick](body)
            headers.append((b"content-encoding", self._encoding.encode()))
        if not any(name.lower() == b"vary" for name, _ in headers):
            headers.append((b"vary", b"accept-encoding"))
        if not self._head:
            headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if self._head else body})
