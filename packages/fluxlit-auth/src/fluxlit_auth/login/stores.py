"""The two stores of a login, in namespaces of their own.

Login sessions have their own lifetimes, and a listing of them must not contain page sessions. The second store holds
what replicas share (revocation_log.py).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

from fluxlit_auth.errors import AuthConfigError
from fluxlit_sessions import SessionError, SessionStore, open_store

logger = logging.getLogger("fluxlit_auth")

IN_MEMORY = "memory://"
MAX_BYTES = 1024 * 1024
"""The tokens of a user in a thousand groups have some 100 KiB, and are stored twice."""

DAY = 86400.0
_OURS = frozenset({"namespace", "idle_ttl", "absolute_ttl", "touch_interval", "max_bytes"})

# A password may hold any character, so a "?" begins the options only where the name of one follows.
_OPTIONS = re.compile(r"\?(?=[a-z_]+=)")

Clock = Callable[[], float]
WALL: Clock = time.time


class StoreSettings(Protocol):
    """The store and the lifetimes of logins, of `fluxlit.settings`."""

    @property
    def session_store(self) -> str | None: ...  # noqa: D102
    @property
    def secret_key(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def login_idle_timeout_s(self) -> float: ...  # noqa: D102
    @property
    def login_absolute_timeout_s(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class LoginStores:
    """Where logins are kept.

    Attributes:
        sessions: login sessions and pending authorization requests.
        shared: the revocation log.
    """

    sessions: SessionStore
    shared: SessionStore

    async def close(self) -> None:
        """Close both."""
        await self.sessions.aclose()
        await self.shared.aclose()


def open_stores(settings: StoreSettings, clock: Clock | None = None) -> LoginStores:
    """Open the stores of a login.

    Args:
        settings: URL of the store, keys for its encryption, lifetimes.
        clock: seconds since the epoch, for tests.

    Raises:
        AuthConfigError: they cannot be opened.
    """
    url, namespace = _split(settings.session_store or IN_MEMORY)
    absolute = settings.login_absolute_timeout_s
    # Vital: where Redis has reached its maxmemory, users still log out, and renewed tokens are saved.
    common: dict[str, Any] = {"max_bytes": MAX_BYTES, "vital": True}
    if settings.secret_key:
        common["keys"] = list(settings.secret_key)
    if clock is not None:
        common["clock"] = clock
    try:
        return LoginStores(
            open_store(
                url,
                **common,
                namespace=f"{namespace}-logins",
                idle_ttl=settings.login_idle_timeout_s,
                absolute_ttl=absolute,
            ),
            open_store(
                url,
                **common,
                namespace=f"{namespace}-login-board",
                # A list belongs to a day, and is read for as long as a session can be older than it.
                idle_ttl=absolute + 2 * DAY,
                absolute_ttl=absolute + 2 * DAY,
            ),
        )
    except SessionError as error:
        raise AuthConfigError(f"session_store: {error}") from error


def warn_about_memory(settings: StoreSettings) -> None:
    """Log a warning if logins are kept in memory."""
    if _in_memory(settings):
        logger.warning(
            "Logins are kept in the memory of this process: a restart ends them, and other replicas do not share "
            "them. Set FLUXLIT_SESSION_STORE, for example to sqlite:///sessions.db or redis://host."
        )


def _in_memory(settings: StoreSettings) -> bool:
    return (settings.session_store or IN_MEMORY).startswith(IN_MEMORY)


def _split(url: str) -> tuple[str, str]:
    """Return the URL without options of the login, and its namespace."""
    place, query = [*_OPTIONS.split(url, maxsplit=1), ""][:2]
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name not in _OURS]
    namespace = dict(pairs).get("namespace", "default")
    return place + (f"?{urlencode(kept)}" if kept else ""), namespace[:48]
