"""Browsers ask at once what the scripts of a page will ask first.

Before it connects, Streamlit's front end asks whether the server is well and which hosts may embed it. A `Link` header
of the page lets the browser ask while it loads the scripts: a round trip less until the first text.
"""

from __future__ import annotations

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send, is_html_page, response_headers
from fluxlit._internal.streamlit_paths import PROBES

# Relative to the page, as an edge may have cut off a part of the public path; `crossorigin` is how `fetch` asks.
LINK = ", ".join(f"<{path[1:]}>; rel=preload; as=fetch; crossorigin" for path in PROBES).encode()


class EarlyProbes:
    """ASGI middleware for Streamlit's application.

    Args:
        app: Streamlit's.
        base: public mount, which its paths begin with.
    """

    def __init__(self, app: Application, base: str) -> None:
        self._app = app
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""

        async def with_link(message: Message) -> None:
            if message["type"] == "http.response.start" and is_html_page(message):
                message = {**message, "headers": [*response_headers(message), (b"link", LINK)]}
            await send(message)

        # A page has one segment at most; what is deeper are files, and addresses without a page.
        of_page = scope["type"] == "http" and scope["path"].removeprefix(self._base).count("/") == 1
        await self._app(scope, receive, with_link if of_page else send)
