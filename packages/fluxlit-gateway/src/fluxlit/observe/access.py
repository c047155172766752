"""The access log: one line for a request, written when its answer is over."""

from __future__ import annotations

import logging
import time

from fluxlit.asgi import Message, Scope, Send
from fluxlit.observe.observation import Observation

logger = logging.getLogger("fluxlit.access")

CLIENT_LEFT = 499
"""Status of a request whose client left before it was answered: nginx's word, never sent."""

API_ROUTES = frozenset({"api", "liveness", "readiness"})


class AccessLog:
    """Which requests are logged, and how.

    Args:
        gateway: every request.
        api: requests that the API handled.
    """

    def __init__(self, *, gateway: bool, api: bool) -> None:
        self._gateway = gateway
        self._api = api

    def __bool__(self) -> bool:
        return self._gateway or self._api

    def write(self, scope: Scope, seen: Observation, count: Count) -> None:
        """Log a request that is over.

        The path goes without its query: that is where tokens are.
        """
        if not (self._gateway or seen.route in API_ROUTES):
            return
        method = scope.get("method", "WEBSOCKET")
        milliseconds = round((time.perf_counter() - count.started) * 1000, 3)
        client = scope.get("client")
        status = count.status or CLIENT_LEFT
        path = (scope.get("raw_path") or b"").decode("latin-1")
        logger.info(
            "%s %s %d",
            method,
            path,
            status,
            extra={
                "method": method,
                "path": path,
                "status": status,
                "duration_ms": milliseconds,
                "bytes": count.bytes,
                "route": seen.route,
                "client": client[0] if client else "",
                "request_id": seen.request_id,
            },
        )


class Count:
    """Counts what one request is answered with, on its way to the server."""

    __slots__ = ("_send", "bytes", "started", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = time.perf_counter()
        self.status = 0
        self.bytes = 0

    async def send(self, message: Message) -> None:
        """Pass a message on and count it."""
        kind = message["type"]
        if kind.endswith(".response.body"):
            self.bytes += len(message.get("body", b""))
        elif kind == "websocket.send":
            self.bytes += len(message.get("bytes") or message.get("text") or b"")
        elif kind.endswith(".response.start"):
            self.status = message["status"]
        elif kind == "websocket.accept":
            self.status = 101
        elif kind == "websocket.close" and not self.status:
            self.status = 403
        await self._send(message)
