"""`SessionAdministration`: lists and ends logins, for operators.

It uses the store alone; neither the provider nor the application has to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from fluxlit_auth.errors import AuthConfigError
from fluxlit_auth.login.login_session import LoginSessionStore, subject_of
from fluxlit_auth.login.revocation_log import RevocationLog
from fluxlit_auth.login.stores import IN_MEMORY, StoreSettings, open_stores
from fluxlit_sessions import SessionInfo

BATCH = 100
"""Logins that are ended before the replicas are notified: all at once would keep the first sockets open too long."""

NO_STORE = (
    "The logins are kept in the memory of the server process, which other processes cannot read. Set "
    "FLUXLIT_SESSION_STORE, for example to sqlite:///sessions.db or redis://host."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One login, without anything that opens the session.

    Attributes:
        handle: its name.
        issuer: the provider; empty if only a hash of user and issuer was stored because they are very long.
        user: the user's identifier there, or that hash.
        since: time of the login.
        used: last recorded use.
        ends: end, unless it is used again.
        readable: false if no key decrypts the record. Its user is unknown then, and its login cannot be used.
    """

    handle: str
    issuer: str
    user: str
    since: datetime
    used: datetime
    ends: datetime
    readable: bool = True


class SessionAdministration:
    """The logins in one store.

    Args:
        settings: URL and keys of the store.

    Raises:
        AuthConfigError: the store is in memory, does not exist, or cannot be opened.
    """

    def __init__(self, settings: StoreSettings) -> None:
        url = settings.session_store or IN_MEMORY
        if url.startswith(IN_MEMORY):
            raise AuthConfigError(NO_STORE)
        if (file := _file(url)) is not None and not file.exists():
            raise AuthConfigError(f"There is no session store {file}. Check session_store, or pass --store.")
        self._stores = open_stores(settings)
        self._sessions = LoginSessionStore(
            self._stores, RevocationLog(self._stores.shared, settings.login_absolute_timeout_s)
        )

    async def entries(self, *, user: str | None = None, issuer: str | None = None) -> list[Entry]:
        """Return the logins, oldest first. Unreadable ones belong to no user.

        Args:
            user: only those of this user.
            issuer: only those of this provider.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        found = [_entry(info) async for info in self._sessions.list()]
        hashed = subject_of(issuer, user) if issuer is not None and user is not None else None
        kept = [each for each in found if _is(each, user, issuer) or (not each.issuer and each.user == hashed)]
        return sorted(kept, key=lambda each: (each.since, each.handle))

    async def end(self, handles: Iterable[str], why: str) -> None:
        """End logins; every replica closes their WebSockets within a second.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        for some in _batches(list(handles)):
            await self._sessions.end(some, why)

    async def close(self) -> None:
        """Close connections to the store."""
        await self._stores.close()


def _file(url: str) -> Path | None:
    """Return the file of an SQLite store.

    A mistyped one must not be created: the list would look empty.
    """
    scheme, _, rest = url.partition(":///")
    return Path(unquote(rest.partition("?")[0])) if scheme == "sqlite" else None


def _entry(info: SessionInfo) -> Entry:
    readable = info.subject is not None  # every login has one
    return Entry(info.handle, *_parted(info.subject or ""), info.created_at, info.touched_at, info.expires_at, readable)


def _parted(subject: str) -> tuple[str, str]:
    issuer, space, user = subject.partition(" ")
    return (issuer, user) if space else ("", subject)


def _is(entry: Entry, user: str | None, issuer: str | None) -> bool:
    return user in (None, entry.user) and issuer in (None, entry.issuer)


def _batches(handles: Sequence[str]) -> Iterable[Sequence[str]]:
    return (handles[at : at + BATCH] for at in range(0, len(handles), BATCH))
