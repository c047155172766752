"""Options in the query of a store URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

from fluxlit_sessions.errors import SessionStoreError
from fluxlit_sessions.options import NAMES, StoreOptions

COMMON: dict[str, type] = {
    "namespace": str,
    "idle_ttl": float,
    "absolute_ttl": float,
    "touch_interval": float,
    "max_bytes": int,
}
"""The common options that a URL can carry, and their types."""


def read_query(url: str, own: Mapping[str, type]) -> dict[str, Any]:
    """Returns the options in the query of `url`.

    Args:
        url: the store URL.
        own: names and types that this kind of store adds to the common ones.

    Raises:
        SessionStoreError: an option is unknown, given twice, or not of its type.
    """
    known = {**COMMON, **own}
    found: dict[str, Any] = {}
    for name, text in parse_qsl(url.partition("#")[0].partition("?")[2], keep_blank_values=True):
        if name not in known or name in found:
            problem = "is given twice" if name in found else "is unknown"
            raise SessionStoreError(f"Option {name!r} in the store URL {problem}; known: {', '.join(sorted(known))}.")
        try:
            found[name] = known[name](text)
        except ValueError:
            raise SessionStoreError(f"Option {name!r} in the store URL must be a number ({text!r}).") from None
    return found


def split_options(options: Mapping[str, Any]) -> tuple[StoreOptions, dict[str, Any]]:
    """Returns the common options and the others."""
    common = {name: value for name, value in options.items() if name in NAMES}
    return cast(StoreOptions, common), {name: value for name, value in options.items() if name not in NAMES}
