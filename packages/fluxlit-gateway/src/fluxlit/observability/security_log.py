"""Security events: refusals with user, address and request."""

from __future__ import annotations

import logging
from typing import Protocol

from fluxlit._internal.asgi import Scope
from fluxlit.observability.current_request import REQUEST_ID
from fluxlit.observability.logs.redaction import redact, shortened
from fluxlit.observability.request_id import HEADER

logger = logging.getLogger("fluxlit.security")

MAX_PATH = 256


class Named(Protocol):
    """A user."""

    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def issuer(self) -> str: ...  # noqa: D102


def log_refusal(status: int, reason: str, user: Named | None, scope: Scope | None = None, *, client: str = "") -> None:
    """Log a refusal as a security event (ASVS 5.0, 16.3.1 and 16.3.2).

    A request without credentials is ordinary, so it is logged as information; credentials that are wrong or not
    sufficient are a warning.

    Args:
        status: of the response.
        reason: a fixed phrase of ours.
        user: the user, `None` for none. The handle of the login session is not logged: it is a CSRF token.
        scope: the request, where it is known.
        client: address of the client, where no request is known: in the run of a page.
    """
    facts: dict[str, object] = {"event": "access_denied", "status": status, "reason": reason}
    if user is not None:
        facts |= {"user": user.subject, "issuer": user.issuer}
    if scope is not None:
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        facts |= {"method": scope.get("method", "WEBSOCKET"), "path": redact(shortened(path, MAX_PATH))}
        client = (scope.get("client") or ("",))[0]
    if client:
        facts["client"] = client
    if request_id := REQUEST_ID.get() or named_by(scope):
        facts["request_id"] = request_id
    level = logging.INFO if status == 401 and reason == NO_CREDENTIALS else logging.WARNING
    logger.log(level, "Access denied (%d): %s; user %r", status, reason, user and user.subject, extra=facts)


def named_by(scope: Scope | None) -> str:
    """The id that a request carries in a worker; empty if there is none."""
    headers = scope["headers"] if scope is not None else ()
    return next((value.decode("latin-1") for name, value in headers if name == HEADER), "")


NO_CREDENTIALS = "no credentials"
BAD_CREDENTIALS = "credentials are not valid"
NO_ROLE = "the user lacks the role"
NO_CSRF_TOKEN = "the CSRF check failed"  # noqa: S105  (no password)
FOREIGN_ORIGIN = "a WebSocket from another origin"
FOREIGN_FILE = "a file or upload of another user"
NO_UPLOADER = "an upload to a session that has shown no uploader"
TOO_MANY_UPLOADS = "the uploads of a session are over its budget"
UNAVAILABLE = "credentials cannot be checked"
