"""Login sessions: the user of a browser and the tokens of the login.

The cookie is a ticket, ``<id>.<secret>``. The store knows the hash of the id and content that is encrypted with the
secret, so read access to the store is not enough to act as a user or to use a token. Next to the encrypted part is
the mark of a replica that refreshes the tokens; writes are versioned, so exactly one replica can set it.

A ticket is never adopted: every login gets a new id, and an id from outside opens a stored session or nothing
(session fixation).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any, Final

from fluxlit_auth.login.encryption import decrypt, encrypt, new_secret
from fluxlit_auth.login.revocation_log import RevocationLog
from fluxlit_auth.login.stores import LoginStores
from fluxlit_sessions import (
    Session,
    SessionConflict,
    SessionInfo,
    SessionNotFound,
    SessionStoreUnavailable,
)

logger = logging.getLogger("fluxlit_auth")

PURPOSE = "login session"
MAX_SUBJECT = 255
SEPARATOR = "."
SHORT_HANDLE = 12
"""Characters of a handle that appear in logs. The whole handle proves the origin of a logout by GET."""


class Ended(Enum):
    """The type of `ENDED`."""

    ENDED = "ended"


class Changed(Enum):
    """The type of `CHANGED`."""

    CHANGED = "changed"


ENDED: Final = Ended.ENDED
"""There is no such session: it is unknown, has expired, or was revoked. It must not be served."""

CHANGED: Final = Changed.CHANGED
"""The session was written elsewhere since it was read; nothing was written now."""


@dataclass(frozen=True, slots=True)
class Login:
    """The facts of one login. The store holds all of them encrypted.

    Attributes:
        issuer: the provider.
        subject: the user's identifier at the provider.
        name: display name.
        email: email address.
        roles: as mapped from the claims.
        id_claims: claims of the ID token.
        userinfo: claims of UserInfo, apart, because a refresh replaces each as a whole.
        claims_stale: the last refresh could not fetch the claims, so the next one is due.
        sid: the provider's identifier of its own session.
        id_token: for logout at the provider.
        access_token: for the provider's APIs.
        refresh_token: for new tokens.
        token_ends: expiry of the access token in seconds since the epoch; `None` if the provider does not state it.
    """

    issuer: str
    subject: str
    name: str | None = None
    email: str | None = None
    roles: tuple[str, ...] = ()
    id_claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    userinfo: Mapping[str, Any] = field(default_factory=dict, repr=False)
    claims_stale: bool = False
    sid: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    token_ends: float | None = None

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of both; the ID token takes precedence."""
        return {**self.userinfo, **self.id_claims}


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A login session as it was read from the store.

    Attributes:
        login: its content.
        session: the stored session.
        secret: second half of its ticket.
        turn_ends: time in seconds since the epoch until which a replica may be refreshing the tokens; 0 for none.
    """

    login: Login
    session: Session
    secret: str = field(repr=False)
    turn_ends: float = 0.0

    @property
    def ticket(self) -> str:
        """The value of its cookie."""
        return f"{self.session.id}{SEPARATOR}{self.secret}"

    @property
    def handle(self) -> str:
        """Its name in listings."""
        return self.session.handle


class LoginSessionStore:
    """The login sessions of one application.

    Args:
        stores: where they are kept.
        revocations: notifies all replicas of ended sessions.

    Attributes:
        ended: called with the handles of sessions that this process ends.
    """

    def __init__(self, stores: LoginStores, revocations: RevocationLog) -> None:
        self._store, self._revocations = stores.sessions, revocations
        self.ended: list[Callable[[list[str]], None]] = []

    async def open(self, login: Login) -> LoginSession:
        """Start a session under a new id and a new secret.

        Raises:
            SessionStoreUnavailable: the store does not respond.
            SessionDataError: the claims exceed the size limit of the store.
        """
        secret = new_secret()
        content = _content(login, secret, 0.0)
        session = await self._store.acreate(content, subject=subject_of(login.issuer, login.subject))
        if login.sid is not None:
            await self._revocations.note("sid", sid_of(login.issuer, login.sid), session.handle)
        return LoginSession(login, session, secret)

    async def read(self, ticket: str, *, touch: bool) -> LoginSession | Ended:
        """Return the session of a ticket.

        Raises:
            SessionStoreUnavailable: the store does not respond.
            SessionDataError: the session exists, and no key of this process decrypts it.
        """
        session_id, _, secret = ticket.partition(SEPARATOR)
        session = await self._store.aread(session_id, touch=touch)
        content = decrypt(session.data.get("sealed"), secret, PURPOSE) if session is not None else None
        if session is None or content is None:
            return ENDED
        login = Login(**{**content, "roles": tuple(content["roles"])})
        return LoginSession(login, session, secret, float(session.data.get("turn_ends", 0.0)))

    async def write(
        self, session: LoginSession, login: Login, *, turn_ends: float = 0.0
    ) -> LoginSession | Ended | Changed:
        """Replace the content of a session.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        try:
            stored = await self._store.asave(session.session, _content(login, session.secret, turn_ends))
        except SessionNotFound:
            return ENDED
        except SessionConflict:
            return CHANGED
        return replace(session, login=login, session=stored, turn_ends=turn_ends)

    async def end(self, handles: Iterable[str], why: str) -> None:
        """Notify all replicas that sessions have ended, then delete them.

        Both steps can be repeated. In this order a failure in between leaves the record, by which the next attempt
        finds the session. Replicas refuse an announced session even while its record is still there.

        Raises:
            SessionStoreUnavailable: the store does not respond. The caller must try again.
        """
        ended = list(handles)
        await self._revocations.announce(ended)
        await self.delete(ended, why)

    async def end_now(self, handles: Iterable[str], why: str) -> None:
        """End sessions as `end` does, also while the store is full.

        The sessions are deleted, and this process announces them as soon as the store has room. For a process that
        keeps running.

        Raises:
            SessionStoreUnavailable: the store does not respond. The caller must try again.
        """
        ended = list(handles)
        try:
            await self._revocations.announce(ended)
        except SessionStoreUnavailable as error:
            logger.error("Ended login sessions are announced later: %s", error)  # noqa: TRY400 - the message is enough
            await self.delete(ended, why)
            self._revocations.postpone(ended)
        else:
            await self.delete(ended, why)

    async def delete(self, handles: list[str], why: str) -> None:
        """Delete sessions that have been announced.

        Raises:
            SessionStoreUnavailable: the store does not respond. The caller must try again.
        """
        for handle in handles:
            await self._store.arevoke(handle)
            logger.info("Login session ended: session=%s reason=%r", handle[:SHORT_HANDLE], why)
        for notify in self.ended:
            notify(handles)

    async def of_subject(self, issuer: str, subject: str) -> list[str]:
        """Return the handles of all sessions of a user.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        return [info.handle async for info in self._store.alist(subject=subject_of(issuer, subject))]

    async def of_sid(self, issuer: str, sid: str) -> list[str]:
        """Return the handles of one provider session; some may have ended.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        return await self._revocations.notes("sid", sid_of(issuer, sid))

    def list(self) -> AsyncIterator[SessionInfo]:
        """List all sessions; `SessionInfo.subject` is a value of `subject_of`."""
        return self._store.alist()


def subject_of(issuer: str, subject: str) -> str:
    """Return issuer and user, or their hash if they are too long."""
    text = f"{issuer} {subject}"
    return text if len(text.encode()) <= MAX_SUBJECT else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def sid_of(issuer: str, sid: str) -> str:
    """Return the name of the list of one provider session."""
    return hashlib.sha256(f"{issuer}\0{sid}".encode()).hexdigest()


def _content(login: Login, secret: str, turn_ends: float) -> dict[str, Any]:
    return {"sealed": encrypt(asdict(login), secret, PURPOSE), "turn_ends": turn_ends}
