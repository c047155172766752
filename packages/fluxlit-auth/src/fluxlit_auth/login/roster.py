"""The logins of an application, for whoever runs it: who is logged in, and ending that.

It needs the store alone: neither the provider nor the application has to be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from fluxlit_auth.errors import AuthConfigError
from fluxlit_auth.login.board import Board
from fluxlit_auth.login.logins import Logins, subject_of
from fluxlit_auth.login.stores import IN_MEMORY, StoreSettings, open_stores

BATCH = 100
"""Logins that are ended before the replicas are told: all of them would keep the first sockets open too long."""

NO_STORE = (
    "The logins are kept in the memory of the server's process, where nothing else can see them. Set "
    "FLUXLIT_SESSION_STORE, for example to sqlite:///sessions.db or redis://host."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One login. Nothing of it opens the session.

    Attributes:
        handle: names it.
        issuer: who vouches for the user; empty if only a hash of user and issuer was kept, as they are very long.
        user: the user's name there, or that hash.
        since: when the user has logged in.
        used: its last recorded use.
        ends: when it ends, unless it is used again.
    """

    handle: str
    issuer: str
    user: str
    since: datetime
    used: datetime
    ends: datetime


class Roster:
    """The logins in one store.

    Args:
        settings: where they are, and how they are encrypted.

    Raises:
        AuthConfigError: the store is not one that others can see, or cannot be opened.
    """

    def __init__(self, settings: StoreSettings) -> None:
        url = settings.session_store or IN_MEMORY
        if url.startswith(IN_MEMORY):
            raise AuthConfigError(NO_STORE)
        if (file := _file(url)) is not None and not file.exists():
            raise AuthConfigError(f"There is no session store {file}: nobody has logged in yet, or it is elsewhere.")
        self._stores = open_stores(settings)
        self._logins = Logins(self._stores, Board(self._stores.board, settings.login_absolute_timeout_s))

    async def entries(self, *, user: str | None = None, issuer: str | None = None) -> list[Entry]:
        """The logins, oldest first.

        Args:
            user: only those of this user.
            issuer: only those that this issuer vouches for.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        found = [
            Entry(info.handle, *_parted(info.subject), info.created_at, info.touched_at, info.expires_at)
            async for info in self._logins.list()
            if info.subject is not None
        ]
        hashed = subject_of(issuer, user) if issuer is not None and user is not None else None
        kept = [each for each in found if _is(each, user, issuer) or (not each.issuer and each.user == hashed)]
        return sorted(kept, key=lambda each: (each.since, each.handle))

    async def end(self, handles: Iterable[str], why: str) -> None:
        """End logins; every replica closes their WebSockets within a second.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        for some in _batches(list(handles)):
            await self._logins.end(some, why)

    async def close(self) -> None:
        """Close connections to the store."""
        await self._stores.close()


def _file(url: str) -> Path | None:
    """The file of a store that is one. It would be made, and somebody who has mistyped it would see nobody."""
    scheme, _, rest = url.partition(":///")
    return Path(unquote(rest.partition("?")[0])) if scheme == "sqlite" else None


def _parted(subject: str) -> tuple[str, str]:
    issuer, space, user = subject.partition(" ")
    return (issuer, user) if space else ("", subject)


def _is(entry: Entry, user: str | None, issuer: str | None) -> bool:
    return user in (None, entry.user) and issuer in (None, entry.issuer)


def _batches(handles: Sequence[str]) -> Iterable[Sequence[str]]:
    return (handles[at : at + BATCH] for at in range(0, len(handles), BATCH))
