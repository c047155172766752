"""The versions that are installed."""

from __future__ import annotations

import platform
from importlib import metadata


def describe() -> str:
    """Name the command's own version first, then what it runs on."""
    own, gateway = _version("fluxlit-cli"), _version("fluxlit-gateway")
    return f"fluxlit {own} (gateway {gateway}, Python {platform.python_version()})"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
