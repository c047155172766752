"""Options of all stores, as arguments and in the query of a URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypedDict
from urllib.parse import parse_qsl

from fluxlit_sessions.errors import SessionStoreError
from fluxlit_sessions.observability import Observer

Clock = Callable[[], float]

_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class StoreOptions(TypedDict, total=False):
    """Keyword arguments of every store.

    Attributes:
        namespace: prefix that keeps applications and purposes apart in one store: 1 to 64 of ``A-Za-z0-9._-``.
            Default ``default``.
        idle_ttl: seconds until an unused session ends. Default 12 hours.
        absolute_ttl: seconds until a session ends however much it is used. Default 7 days.
        touch_interval: uses within this many seconds of the last recorded one write nothing.
            Default 60, at most a tenth of `idle_ttl`.
        max_bytes: limit of the encoded data of one session. Default 262144.
        vital: writes may go on where Redis has reached its maxmemory or SQLite a full disk. For stores with
            few and small records, such as logins. Take-once values are never vital. Default false.
        types: enums, Pydantic models and dataclasses that may be stored; a mapping gives the names.
        keys: encrypt with the first, decrypt with any (see `KeyRing`). Default: no encryption.
        clock: seconds since the epoch, for tests. Default: the clock of the store (Redis) or of the machine.
        observer: called after every operation. Default: spans and a histogram by OpenTelemetry, where its API is
            installed (see telemetry.py).
    """

    namespace: str
    idle_ttl: float
    absolute_ttl: float
    touch_interval: float
    max_bytes: int
    vital: bool
    types: Iterable[type] | Mapping[str, type]
    keys: Sequence[str | bytes]
    clock: Clock
    observer: Observer


IN_URL: dict[str, type] = {
    "namespace": str,
    "idle_ttl": float,
    "absolute_ttl": float,
    "touch_interval": float,
    "max_bytes": int,
}
"""The common options that a URL can carry, and their types."""


def check_options(options: Mapping[str, Any], known: Iterable[str] = StoreOptions.__optional_keys__) -> None:
    """Raises `TypeError` if an option does not exist."""
    for name in sorted(options.keys() - set(known)):
        near = get_close_matches(name, known, 1)
        raise TypeError(f"a session store has no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def check_namespace(namespace: str) -> str:
    """Returns a valid namespace, or raises `SessionStoreError`."""
    if not _NAMESPACE.fullmatch(namespace):
        raise SessionStoreError("A namespace has 1 to 64 characters out of A-Z a-z 0-9 . _ -")
    return namespace


def read_query(query: str, own: Mapping[str, type]) -> dict[str, Any]:
    """Returns the options in the query of a store URL.

    Args:
        query: the part of the URL after the question mark.
        own: names and types that this kind of store adds to the common ones.

    Raises:
        SessionStoreError: an option is unknown, given twice, or not of its type. Nothing of the URL is quoted.
    """
    known = {**IN_URL, **own}
    found: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise SessionStoreError(f"The store URL has an unknown option; known are {', '.join(sorted(known))}.")
        if name in found:
            raise SessionStoreError(f"The store URL has the option {name} twice.")
        try:
            found[name] = known[name](text)
        except ValueError:
            raise SessionStoreError(f"The option {name} in the store URL must be a number.") from None
    return found
