"""Copies of live sessions, with which another process can continue them."""

from fluxlit_sessions.copies.budget import Limits
from fluxlit_sessions.copies.copy import Copy, Found
from fluxlit_sessions.copies.registry import Copies

__all__ = ["Copies", "Copy", "Found", "Limits"]
