"""`open_store`: the store that a URL names."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, Unpack
from urllib.parse import unquote

from fluxlit_sessions.errors import SessionStoreError
from fluxlit_sessions.memory import MemorySessionStore
from fluxlit_sessions.options import StoreOptions, read_query
from fluxlit_sessions.redis import RedisSessionStore
from fluxlit_sessions.redis.address import SCHEMES as REDIS_SCHEMES
from fluxlit_sessions.sqlite import SQLiteSessionStore
from fluxlit_sessions.store import SessionStore

GROUP = "fluxlit.session_stores"
"""The entry point group: name = URL scheme, value = a callable(url, **options) that returns a `SessionStore`."""


def _memory(url: str, **options: Unpack[StoreOptions]) -> SessionStore:
    place, query = _parts(url)
    if place:
        raise SessionStoreError("The memory store is memory://, followed by options only.")
    chosen: Any = {**options, **read_query(query, {"max_entries": int, "max_total_bytes": int})}
    return MemorySessionStore(**chosen)


def _sqlite(url: str, **options: Unpack[StoreOptions]) -> SessionStore:
    place, query = _parts(url)
    path = unquote(place)
    if not path.startswith("/") or path in ("/", "/:memory:"):
        raise SessionStoreError("A session file is sqlite:///relative/path.db or sqlite:////absolute/path.db.")
    chosen: Any = {**options, **read_query(query, {"timeout": float})}
    return SQLiteSessionStore(path[1:], **chosen)


def _parts(url: str) -> tuple[str, str]:
    place, _, query = url.partition("://")[2].partition("#")[0].partition("?")
    return place, query


_BUILT_IN: dict[str, Callable[..., SessionStore]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    **dict.fromkeys(REDIS_SCHEMES, RedisSessionStore),
}


def open_store(url: str, **options: Unpack[StoreOptions]) -> SessionStore:
    """Returns the store that a URL names.

    Args:
        url: ``memory://``, ``sqlite:///file.db``, ``redis://host``, ``rediss://host``, ``unix:///socket``,
            ``redis+sentinel://host,host/service``, ``redis+cluster://host,host``, ``valkey`` in place of ``redis``,
            or a scheme of another package. Its query can hold options; they win over `options`.
        options: see `StoreOptions`.

    Raises:
        SessionStoreError: the URL or an option is wrong, or a package is missing.
    """
    scheme = url.partition("://")[0].lower()
    return (_BUILT_IN.get(scheme) or _plugged_in(scheme))(url, **options)


def _plugged_in(scheme: str) -> Callable[..., SessionStore]:
    found = entry_points(group=GROUP)
    for entry in found.select(name=scheme):
        opener: Callable[..., SessionStore] = entry.load()
        return opener
    known = sorted({*_BUILT_IN, *(entry.name for entry in found)})
    near = get_close_matches(scheme, known, 1, 0.8)
    hint = f" Did you mean {near[0]}://?" if near else ""
    raise SessionStoreError(f"There is no session store for this URL; known are {', '.join(known)}.{hint}")
