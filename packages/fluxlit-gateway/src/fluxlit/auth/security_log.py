"""Security events: refusals with user, address and request."""

from __future__ import annotations

import logging

from fluxlit._internal.asgi import Scope
from fluxlit.auth.contract import User
from fluxlit.observability.logs.redaction import redact, shortened

logger = logging.getLogger("fluxlit.security")

MAX_PATH = 256


def log_refusal(status: int, reason: str, user: User | None, scope: Scope | None = None) -> None:
    """Log a refusal as a security event (ASVS 5.0, 16.3.1 and 16.3.2).

    A request without credentials is ordinary, so it is logged as information; credentials that are wrong or not
    sufficient are a warning. The id of the request is added by the formatter.

    Args:
        status: of the response.
        reason: a fixed phrase of ours.
        user: the user, `None` for none. The handle of the login session is not logged: it is a CSRF token.
        scope: the request, where it is known.
    """
    facts: dict[str, object] = {"event": "access_denied", "status": status, "reason": reason}
    if user is not None:
        facts |= {"user": user.subject, "issuer": user.issuer}
    if scope is not None:
        client = scope.get("client")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        facts |= {
            "client": client[0] if client else "",
            "method": scope.get("method", "WEBSOCKET"),
            "path": redact(shortened(path, MAX_PATH)),
        }
    level = logging.INFO if status == 401 and reason == NO_CREDENTIALS else logging.WARNING
    # The name is in the message too: records of a worker come without further facts.
    logger.log(level, "Access denied (%d): %s; user %r", status, reason, user and user.subject, extra=facts)


NO_CREDENTIALS = "no credentials"
BAD_CREDENTIALS = "credentials are not valid"
NO_ROLE = "the user lacks the role"
NO_CSRF_TOKEN = "the CSRF check failed"  # noqa: S105  (no password)
FOREIGN_ORIGIN = "a WebSocket from another origin"
UNAVAILABLE = "credentials cannot be checked"
