"""The error of `fluxlit new`."""

from __future__ import annotations


class NewError(Exception):
    """The project cannot be created; nothing was written."""
