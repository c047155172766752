"""`SessionAuthenticator`: authenticates requests by session cookie."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable

from fluxlit.auth.contract import Problem, User, Verdict
from fluxlit_auth.errors import ProviderUnavailable
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.cookies import CookieNames
from fluxlit_auth.login.login_session import ENDED, Ended, LoginSession
from fluxlit_auth.login.token_refresh import refresh
from fluxlit_sessions import SessionDataError, SessionError

logger = logging.getLogger("fluxlit_auth")

CACHE_S = 1.0
"""How long a session is trusted without reading the store again: a page comes with dozens of requests at once. Also
the longest time for which another replica's logout is not known here; sockets are closed in the same second."""

MAX_CACHED = 4096

REVOKED_S = 1800.0
"""How long a revoked session is remembered: longer than `RevocationLog.announced` reports it."""

UNAVAILABLE = Problem(503, "The login cannot be verified at the moment. Try again in a few seconds.")
NO_CREDENTIALS = Verdict()


class SessionAuthenticator:
    """Authenticates requests by session cookie.

    Args:
        context: services of the login.
    """

    def __init__(self, context: LoginContext) -> None:
        self._context = context
        self._cache: OrderedDict[bytes, tuple[User, float, float]] = OrderedDict()
        self._revoked: dict[str, float] = {}
        context.sessions.ended.append(self.revoke)

    async def authenticate(self, ticket: str, names: CookieNames) -> Verdict:
        """Return the user of a ticket. An outage is a problem, no exception.

        Args:
            ticket: value of the session cookie.
            names: names of the cookies, to clear the one of an ended session.
        """
        digest = hashlib.sha256(ticket.encode()).digest()
        now = self._context.clock()
        cached = self._cache.get(digest)
        if cached is not None and abs(now - cached[1]) < CACHE_S and now < cached[2]:
            return Verdict(cached[0])
        self._cache.pop(digest, None)
        try:
            session = await self._current(ticket)
        except SessionDataError as error:
            # A record under a former key, or damaged. It is no outage: the user can sign in again. The cookie stays,
            # because another replica may have the key.
            logger.warning("Login session cannot be decrypted: %s", error)
            return NO_CREDENTIALS
        except (SessionError, ProviderUnavailable) as error:
            logger.warning("Login session could not be verified: %s", error)
            return Verdict(problem=UNAVAILABLE)
        if session is ENDED:
            return Verdict(set_cookies=(names.clear(names.session),))
        user = user_of(session)
        self._remember(digest, user, now, session)
        return Verdict(user)

    async def _current(self, ticket: str) -> LoginSession | Ended:
        session = await self._context.sessions.read(ticket, touch=True)
        if session is not ENDED:
            session = await refresh(self._context, session)
        # Asked last, because the session may have been revoked during a slow refresh: nothing is awaited between this
        # and the verdict. The record of a revoked session exists only if its deletion has failed.
        if session is not ENDED and session.handle in self._revoked:
            await self._context.sessions.delete([session.handle], "revoked")
            return ENDED
        return session

    def revoke(self, handles: Iterable[str]) -> None:
        """Refuse sessions from now on, also if their records still exist."""
        now = self._context.clock()
        revoked = dict.fromkeys(handles, now)
        self._revoked = {handle: since for handle, since in self._revoked.items() if now - since < REVOKED_S} | revoked
        for digest in [digest for digest, cached in self._cache.items() if cached[0].session in revoked]:
            del self._cache[digest]

    def _remember(self, digest: bytes, user: User, now: float, session: LoginSession) -> None:
        self._cache[digest] = (user, now, session.session.expires_at.timestamp())
        self._cache.move_to_end(digest)
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)


def user_of(session: LoginSession) -> User:
    """Return the user of a session, as API and pages see it."""
    login = session.login
    return User(
        subject=login.subject,
        issuer=login.issuer,
        name=login.name,
        email=login.email,
        roles=frozenset(login.roles),
        claims=login.claims,
        session=session.handle,
        expires_at=session.session.expires_at.timestamp(),
        scheme="oidc",
    )
