"""The error that ends `fluxlit build`: its text is all that a person gets to see."""

from __future__ import annotations


class DeployError(Exception):
    """Something is wrong with the input; the message says what, where, and what to do."""
