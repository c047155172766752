"""The access log: one line for a request, written after its response."""

from __future__ import annotations

import logging

from fluxlit._internal.asgi import Scope
from fluxlit.observability.logs.redaction import ACCESS, redact, shortened
from fluxlit.observability.request_record import RequestRecord

logger = logging.getLogger(ACCESS)

MAX_PATH = 2048
"""Characters of a path that are logged."""

CLIENT_LEFT = 499
"""Status if the client left before the response, as nginx logs it; never sent."""

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

    def write(self, scope: Scope, seen: RequestRecord, *, status: int, seconds: float) -> None:
        """Log a request that is over.

        The path goes without its query: that is where tokens are.

        Args:
            scope: the request.
            seen: its record.
            status: of the response.
            seconds: how long it took.
        """
        if not (self._gateway or seen.route in API_ROUTES):
            return
        method = scope.get("method", "WEBSOCKET")
        client = scope.get("client")
        # Redacted here, as a value: what has been made into a line need not be searched for secrets.
        path = redact(shortened((scope.get("raw_path") or b"").decode("latin-1"), MAX_PATH))
        logger.info(
            "%s %s %d",
            method,
            path,
            status,
            extra={
                "method": method,
                "path": path,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
                "bytes": seen.sent,
                "route": seen.route,
                "client": client[0] if client else "",
                "request_id": seen.request_id,
            },
        )
