"""The error that ends `fluxlit build` with its message."""

from __future__ import annotations


class DeployError(Exception):
    """The input is wrong; the message names the fault, place and remedy."""
