"""The installed versions."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

PARTS = ("auth", "deploy", "gateway", "sessions")


def describe() -> str:
    """Return the versions of the command, FluxLit's distributions, Python."""
    parts = [*_installed(), f"Python {platform.python_version()}"]
    return f"fluxlit {metadata.version('fluxlit-cli')} ({', '.join(parts)})"


def _installed() -> Iterator[str]:
    for part in PARTS:
        try:
            yield f"{part} {metadata.version(f'fluxlit-{part}')}"
        except metadata.PackageNotFoundError:
            continue
