"""The ASGI application of the admin listener: three read-only resources.

A listener on another than a loopback address is there for Prometheus, and shows the metrics alone. On a loopback
address the name in Host must be one of this machine: a page in a user's browser could otherwise read it under a
name of its own that resolves to 127.0.0.1.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.peer import is_loopback
from fluxlit.observability.metrics import CATALOGUE, CONTENT_TYPE, exposition
from fluxlit.server.admin.status import Reporter

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
INDEX = "FluxLit\n/metrics  for Prometheus\n/status   for `fluxlit status`\n/settings for `fluxlit status --settings`\n"


class Admin:
    """Answers operators.

    Args:
        reporter: gathers the data.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        status, kind, body = await self._answer(scope)
        content = body.encode()
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    async def _answer(self, scope: Scope) -> tuple[int, str, str]:
        if scope["method"] not in ("GET", "HEAD"):
            return 405, TEXT, "Only GET and HEAD are served here.\n"
        own = is_own_machine(scope)
        if own and not is_own_name(scope):
            return 403, TEXT, "Ask for this machine by its address or as localhost.\n"
        if scope["path"] == "/metrics":
            return 200, CONTENT_TYPE, exposition(CATALOGUE, await self._reporter.readings())
        if own and (private := self._private(scope["path"])) is not None:
            return 200, *private
        return 404, TEXT, "Not found.\n"

    def _private(self, path: str) -> tuple[str, str] | None:
        """A resource for this machine only, with its media type, or `None`."""
        if path == "/":
            return TEXT, INDEX
        if path == "/status":
            return JSON, json.dumps(self._reporter.status()) + "\n"
        if path == "/settings":
            return JSON, json.dumps(self._reporter.settings(), ensure_ascii=False) + "\n"
        return None


def is_own_machine(scope: Scope) -> bool:
    """Whether the client is on this machine: UNIX socket or loopback."""
    server = scope.get("server")
    return server is None or server[1] is None or is_loopback(server[0])


def is_own_name(scope: Scope) -> bool:
    """Whether the request's Host names this machine."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return False
    try:
        name = urlsplit(f"//{hosts[0]}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)
