"""The id of the current request, for every line of the log."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_FIELD = "X-Request-ID"

REQUEST_ID: ContextVar[str] = ContextVar("fluxlit_request_id", default="")
"""Its id; empty outside of requests."""
