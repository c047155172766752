"""Judging requests that come with the cookie of a login session: the driver of the table `LIFE`."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from fluxlit_auth.identity import Problem, User, Verdict
from fluxlit_auth.login.cookies import Jar
from fluxlit_auth.login.flow import LIFE, Effect, Event, State, drive
from fluxlit_auth.login.logins import Logins, Open
from fluxlit_auth.login.renewal import Renewal, is_due
from fluxlit_auth.login.stores import WALL, Clock
from fluxlit_sessions import SessionError

logger = logging.getLogger("fluxlit_auth")

SEEN_S = 1.0
"""How long a session is believed without asking the store again: a page comes with dozens of requests at once. Also
the longest time for which another replica's logout is not known here; the same second in which sockets are closed."""

MAX_SEEN = 4096

NO_STORE = Problem(503, "The login cannot be checked at the moment. Try again in a few seconds.")
NOTHING = Verdict()


@dataclass(slots=True)
class Visit:
    """One request on its way through the table."""

    ticket: str
    jar: Jar
    opened: Open | None = None
    verdict: Verdict = field(default_factory=Verdict)


class Keeper:
    """Judges requests.

    Args:
        logins: the sessions.
        renewal: renews their tokens.
        clock: seconds since the epoch.
    """

    def __init__(self, logins: Logins, renewal: Renewal, clock: Clock = WALL) -> None:
        self._logins, self._renewal, self._clock = logins, renewal, clock
        self._seen: OrderedDict[bytes, tuple[User, float, float]] = OrderedDict()
        logins.ending.append(self.forget)

    async def judge(self, ticket: str, jar: Jar) -> Verdict:
        """What a ticket is worth. Never raises because of the store or the provider.

        Args:
            ticket: value of the cookie.
            jar: how to clear it.
        """
        digest = hashlib.sha256(ticket.encode()).digest()
        now = self._clock()
        if (known := self._seen.get(digest)) is not None and abs(now - known[1]) < SEEN_S and now < known[2]:
            return Verdict(known[0])
        visit = Visit(ticket, jar)
        await drive(LIFE, State.PRESENTED, Event.REQUEST, lambda effect: self._perform(visit, effect))
        if visit.verdict.user is not None and visit.opened is not None:
            self._remember(digest, visit.verdict.user, now, visit.opened)
        else:
            self._seen.pop(digest, None)
        return visit.verdict

    def forget(self, handle: str) -> None:
        """Believes nothing any more about a session that has ended."""
        self.forget_all((handle,))

    def forget_all(self, handles: Collection[str]) -> None:
        """The same for many at once."""
        for digest in [digest for digest, known in self._seen.items() if known[0].session in handles]:
            del self._seen[digest]

    def _remember(self, digest: bytes, user: User, now: float, opened: Open) -> None:
        self._seen[digest] = (user, now, opened.session.expires_at.timestamp())
        self._seen.move_to_end(digest)
        while len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)

    async def _perform(self, visit: Visit, effect: Effect) -> Event | None:
        try:
            return await self._effect(visit, effect)
        except SessionError as error:
            logger.warning("a login session could not be used: %s", error)
            return Event.DOWN

    async def _effect(self, visit: Visit, effect: Effect) -> Event | None:
        match effect:
            case Effect.READ_SESSION:
                visit.opened = await self._logins.read(visit.ticket, touch=True)
                if visit.opened is None:
                    return Event.WRONG
                return Event.EXPIRING if is_due(visit.opened.login, self._clock()) else Event.FRESH
            case Effect.TAKE_TURN | Effect.REFRESH | Effect.AWAIT_OTHER:
                return await self._renew(visit, effect)
            case Effect.SERVE:
                visit.verdict = Verdict(user_of(_open(visit)))
            case Effect.END_SESSION:
                await self._logins.end([_open(visit).handle], "its tokens could not be renewed")
            case Effect.CLEAR_SESSION:
                visit.verdict = Verdict(set_cookies=(visit.jar.clear(visit.jar.session),))
            case Effect.REPORT_OUTAGE:
                visit.verdict = Verdict(problem=NO_STORE)
        return None

    async def _renew(self, visit: Visit, effect: Effect) -> Event:
        work = {
            Effect.TAKE_TURN: self._renewal.take_turn,
            Effect.REFRESH: self._renewal.refresh,
            Effect.AWAIT_OTHER: self._renewal.await_other,
        }[effect]
        event, visit.opened = await work(_open(visit))
        return event


def user_of(opened: Open) -> User:
    """The user of a session, as API and pages see it."""
    login = opened.login
    return User(
        subject=login.subject,
        issuer=login.issuer,
        name=login.name,
        email=login.email,
        roles=frozenset(login.roles),
        claims=login.claims,
        session=opened.handle,
        expires_at=opened.session.expires_at.timestamp(),
        scheme="oidc",
    )


def _open(visit: Visit) -> Open:
    assert visit.opened is not None
    return visit.opened
