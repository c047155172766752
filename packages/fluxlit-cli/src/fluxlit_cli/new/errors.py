"""Why no project can be made."""

from __future__ import annotations


class NewError(Exception):
    """The project cannot be made as asked; the message says why, and nothing was written."""
