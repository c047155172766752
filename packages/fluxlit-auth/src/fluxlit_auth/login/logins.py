"""Login sessions: who is logged in, and the tokens that go with it.

The cookie is a ticket, ``<id>.<secret>``. The store knows the hash of the id and what was sealed with the secret, so
nobody who reads the store can act as a user or use a token. Beside the sealed part lies the mark of a replica that is
refreshing the tokens; writes go by version, so exactly one can set it.

A ticket is never adopted: ids are minted here, at every login a new one, and one from outside opens what is already
stored or nothing (session fixation).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fluxlit_auth.login.board import Board
from fluxlit_auth.login.box import new_secret, seal, unseal
from fluxlit_auth.login.stores import Stores
from fluxlit_sessions import Session, SessionConflict, SessionInfo, SessionNotFound

logger = logging.getLogger("fluxlit_auth")

PURPOSE = "login session"
MAX_SUBJECT = 255
SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Login:
    """What is known of a user who has logged in. All of it is sealed in the store.

    Attributes:
        issuer: who vouches for the user.
        subject: the user's name there.
        name: for people to read.
        email: address.
        roles: as mapped from the claims.
        claims: what the ID token and the userinfo endpoint say.
        sid: the provider's name for its own session.
        id_token: for logout at the provider.
        access_token: for its APIs.
        refresh_token: gets new tokens.
        token_ends: seconds since the epoch at which the access token ends; `None` if it is not said.
    """

    issuer: str
    subject: str
    name: str | None = None
    email: str | None = None
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sid: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    token_ends: float | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """A login session that was read.

    Attributes:
        login: what it holds.
        session: as it is stored.
        secret: the second half of its ticket.
        turn_ends: seconds since the epoch until which a replica may be refreshing it; 0 for none.
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
        """Names it in logs and listings."""
        return self.session.handle


class Logins:
    """The login sessions of one application.

    Args:
        stores: where they are.
        board: how replicas hear that one has ended.

    Attributes:
        ending: told the handle of each session that this process ends, before anybody else hears of it.
    """

    def __init__(self, stores: Stores, board: Board) -> None:
        self._store, self._board = stores.logins, board
        self.ending: list[Callable[[str], None]] = []

    async def open(self, login: Login) -> Open:
        """Starts a session under a new id and a new secret.

        Raises:
            SessionStoreUnavailable: the store does not answer.
            SessionDataError: the user's claims are more than a store takes.
        """
        secret = new_secret()
        content = _content(login, secret, 0.0)
        session = await self._store.acreate(content, subject=subject_of(login.issuer, login.subject))
        if login.sid is not None:
            await self._board.note("sid", sid_of(login.issuer, login.sid), session.handle)
        return Open(login, session, secret)

    async def read(self, ticket: str, *, touch: bool) -> Open | None:
        """The session that a ticket opens; `None` if it opens none.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        session_id, _, secret = ticket.partition(SEPARATOR)
        session = await self._store.aread(session_id, touch=touch)
        content = unseal(session.data.get("sealed"), secret, PURPOSE) if session is not None else None
        if session is None or content is None:
            return None
        login = Login(**{**content, "roles": tuple(content["roles"])})
        return Open(login, session, secret, float(session.data.get("turn_ends", 0.0)))

    async def write(self, opened: Open, login: Login, *, turn_ends: float = 0.0) -> Open | None:
        """Replaces what a session holds; `None` if somebody else did so first, or it has ended.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        try:
            session = await self._store.asave(opened.session, _content(login, opened.secret, turn_ends))
        except (SessionConflict, SessionNotFound):
            return None
        return replace(opened, login=login, session=session, turn_ends=turn_ends)

    async def end(self, handles: Iterable[str], why: str) -> None:
        """Ends sessions, and tells all replicas.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        ended = list(handles)
        for handle in ended:
            await self._store.arevoke(handle)
            for tell in self.ending:
                tell(handle)
            logger.info("login session %s ended: %s", handle, why)
        await self._board.announce(ended)

    async def of_subject(self, issuer: str, subject: str) -> list[str]:
        """Handles of all sessions of a user.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        return [info.handle async for info in self._store.alist(subject=subject_of(issuer, subject))]

    async def of_sid(self, issuer: str, sid: str) -> list[str]:
        """Handles of the sessions that belong to one session of the provider; some may have ended already.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        return await self._board.notes("sid", sid_of(issuer, sid))

    def list(self) -> AsyncIterator[SessionInfo]:
        """All sessions, for an operator. `SessionInfo.subject` is what `subject_of` makes."""
        return self._store.alist()


def subject_of(issuer: str, subject: str) -> str:
    """The subject of a session in the store: issuer and name, or their hash if that is too long."""
    text = f"{issuer} {subject}"
    return text if len(text.encode()) <= MAX_SUBJECT else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def sid_of(issuer: str, sid: str) -> str:
    """What the board's list about one session of a provider is called."""
    return hashlib.sha256(f"{issuer}\0{sid}".encode()).hexdigest()


def _content(login: Login, secret: str, turn_ends: float) -> dict[str, Any]:
    return {"sealed": seal(asdict(login), secret, PURPOSE), "turn_ends": turn_ends}
