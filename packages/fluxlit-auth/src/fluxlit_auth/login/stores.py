"""The two stores of a login, in the place that ``session_store`` names but apart from the sessions of pages.

Login sessions have lifetimes of their own, and listing them must not show anything else. The second store holds what
replicas tell each other (board.py).
"""

from __future__ import annotations

import logging
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
"""Tokens of a user in a thousand groups have some 100 KiB, and are there twice."""

DAY = 86400.0
_OURS = frozenset({"namespace", "idle_ttl", "absolute_ttl", "touch_interval", "max_bytes"})


class StoreSettings(Protocol):
    """The settings that say where logins are and for how long; `fluxlit.settings.Settings` describes each."""

    @property
    def session_store(self) -> str | None: ...  # noqa: D102
    @property
    def secret_key(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def login_idle_timeout_s(self) -> float: ...  # noqa: D102
    @property
    def login_absolute_timeout_s(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Stores:
    """Where logins are kept.

    Attributes:
        logins: the login sessions and the attempts.
        board: notes between replicas.
    """

    logins: SessionStore
    board: SessionStore

    async def close(self) -> None:
        """Closes both."""
        await self.logins.aclose()
        await self.board.aclose()


def open_stores(settings: StoreSettings, clock: Callable[[], float] | None = None) -> Stores:
    """Opens the stores of a login.

    Args:
        settings: among them where sessions are kept, and the keys that encrypt them a second time.
        clock: seconds since the epoch, for tests.

    Raises:
        AuthConfigError: they cannot be opened.
    """
    url, namespace = _split(settings.session_store or IN_MEMORY)
    absolute = settings.login_absolute_timeout_s
    common: dict[str, Any] = {"max_bytes": MAX_BYTES}
    if settings.secret_key:
        common["keys"] = list(settings.secret_key)
    if clock is not None:
        common["clock"] = clock
    try:
        return Stores(
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
                # A note belongs to a day, and is looked for as long as a session can be older than it.
                idle_ttl=absolute + 2 * DAY,
                absolute_ttl=absolute + 2 * DAY,
            ),
        )
    except SessionError as error:
        raise AuthConfigError(f"session_store: {error}") from error


def warn_about_memory(settings: StoreSettings) -> None:
    """Says what the lack of a store means."""
    if (settings.session_store or IN_MEMORY).startswith(IN_MEMORY):
        logger.warning(
            "logins are kept in the memory of this process: they end with it, and other replicas do not know them. "
            "Set FLUXLIT_SESSION_STORE, for example to sqlite:///sessions.db or redis://host."
        )


def _split(url: str) -> tuple[str, str]:
    """The URL without the options that logins set themselves, and the namespace among them."""
    place, _, query = url.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name not in _OURS]
    namespace = dict(pairs).get("namespace", "default")
    return place + (f"?{urlencode(kept)}" if kept else ""), namespace[:48]


Clock = Callable[[], float]
WALL: Clock = time.time
