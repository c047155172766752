"""Copies of live sessions: what another process needs to go on with a session when its own process is gone."""

from fluxlit_sessions.copies.budget import Limits
from fluxlit_sessions.copies.copy import Copy, Found
from fluxlit_sessions.copies.registry import Copies

__all__ = ["Copies", "Copy", "Found", "Limits"]
