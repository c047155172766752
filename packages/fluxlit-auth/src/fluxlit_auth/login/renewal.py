"""Refreshing tokens: once, whoever asks, on however many replicas.

A refresh token that rotates may be used once: if two replicas used the same one, the provider would take it for
stolen and end everything. So whoever refreshes first marks the session with a turn, by a write that only one can
win. The others go on with the old token as long as that is good, and wait for the new one when it is not.

New tokens are in the store before anybody uses them. The work goes on when the browser that caused it leaves.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from fluxlit_auth.errors import AuthConfigError, GrantRefused, ProviderUnavailable, TokenRefused
from fluxlit_auth.login.client import Client
from fluxlit_auth.login.flow import Event
from fluxlit_auth.login.logins import Login, Logins, Open
from fluxlit_auth.login.stores import WALL, Clock
from fluxlit_auth.login.verifying import Verifier
from fluxlit_auth.provider import Provider
from fluxlit_sessions import SessionStoreUnavailable

logger = logging.getLogger("fluxlit_auth")

AHEAD_S = 60.0
"""A token that ends within this time is renewed by the next request."""

TURN_S = 30.0
"""How long a replica has for one refresh; longer than the token endpoint may take to answer."""

PAUSE_S = 15.0
"""After a provider did not answer, nobody asks it again for this session for so long."""

POLL_S = 0.1
WRITES = 5


def is_due(login: Login, now: float) -> bool:
    """Whether the tokens of a login should be renewed."""
    return login.refresh_token is not None and login.token_ends is not None and login.token_ends - now < AHEAD_S


def is_good(login: Login, now: float) -> bool:
    """Whether the access token of a login has not ended."""
    return login.token_ends is None or now < login.token_ends


class Renewal:
    """Renews the tokens of login sessions.

    Args:
        logins: the sessions.
        provider: who issues tokens.
        client: asks for them.
        verifier: judges them.
        clock: seconds since the epoch.
    """

    def __init__(
        self, logins: Logins, provider: Provider, client: Client, verifier: Verifier, clock: Clock = WALL
    ) -> None:
        self._logins, self._provider, self._client, self._verifier = logins, provider, client, verifier
        self._clock = clock
        self._flights: dict[str, asyncio.Task[tuple[Event, Open]]] = {}

    async def take_turn(self, opened: Open) -> tuple[Event, Open]:
        """Asks to be the one who refreshes.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        now = self._clock()
        if opened.handle in self._flights:
            return self._passed_over(opened)
        if opened.turn_ends > now:
            return self._passed_over(opened)
        ours = await self._logins.write(opened, opened.login, turn_ends=now + TURN_S)
        if ours is not None:
            return Event.GOT_TURN, ours
        fresh = await self._logins.read(opened.ticket, touch=False)
        if fresh is None:
            return Event.WRONG, opened
        if not is_due(fresh.login, now):
            return Event.STILL_GOOD, fresh
        return self._passed_over(fresh)

    def _passed_over(self, opened: Open) -> tuple[Event, Open]:
        good = is_good(opened.login, self._clock())
        return (Event.STILL_GOOD if good else Event.OTHERS_TURN), opened

    async def refresh(self, opened: Open) -> tuple[Event, Open]:
        """Refreshes, having the turn. The work is not cut off when the caller is.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        flight = asyncio.create_task(self._refresh(opened))
        self._flights[opened.handle] = flight
        flight.add_done_callback(lambda done: self._landed(opened.handle, done))
        return await asyncio.shield(flight)

    def _landed(self, handle: str, flight: asyncio.Task[tuple[Event, Open]]) -> None:
        self._flights.pop(handle, None)
        if not flight.cancelled():
            flight.exception()  # heard, also when the caller has left

    async def _refresh(self, opened: Open) -> tuple[Event, Open]:
        login = opened.login
        assert login.refresh_token is not None
        try:
            metadata = await self._provider.metadata()
            tokens = await self._client.refresh(metadata, login.refresh_token)
            claims = await self._verifier.of_refresh(tokens, login.subject)
        except (GrantRefused, TokenRefused) as refused:
            logger.info("login session %s could not be refreshed: %s", opened.handle, refused)
            return Event.WRONG, opened
        except (ProviderUnavailable, AuthConfigError) as down:
            logger.warning("login session %s could not be refreshed: %s", opened.handle, down)
            return await self._later(opened)
        renewed = replace(
            login,
            id_token=tokens.id_token or login.id_token,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token or login.refresh_token,
            token_ends=None if tokens.expires_in is None else self._clock() + tokens.expires_in,
        )
        if claims is not None:
            fresh = self._verifier.login({**login.claims, **claims}, tokens)
            renewed = replace(renewed, name=fresh.name, email=fresh.email, roles=fresh.roles, claims=fresh.claims)
        return await self._store(opened, renewed)

    async def _store(self, opened: Open, renewed: Login) -> tuple[Event, Open]:
        """Stores new tokens. The old ones may be dead by now, so a store that hesitates is asked again."""
        for attempt in range(WRITES):
            try:
                stored = await self._logins.write(opened, renewed)
            except SessionStoreUnavailable:
                if attempt == WRITES - 1:
                    raise
                await asyncio.sleep(POLL_S * 2**attempt)
            else:
                return await self._find(opened, renewed) if stored is None else (Event.RENEWED, stored)
        raise AssertionError

    async def _find(self, opened: Open, renewed: Login) -> tuple[Event, Open]:
        """Looks what is stored in place of new tokens: they themselves, if only the store's answer was lost."""
        fresh = await self._logins.read(opened.ticket, touch=False)
        if fresh is not None and fresh.login.access_token == renewed.access_token:
            return Event.RENEWED, fresh
        return Event.WRONG, opened

    async def _later(self, opened: Open) -> tuple[Event, Open]:
        """Keeps everybody from asking a provider that is down, as long as the old token is good or a while."""
        now = self._clock()
        waiting = await self._logins.write(opened, opened.login, turn_ends=now + PAUSE_S)
        return (Event.STILL_GOOD if is_good(opened.login, now) else Event.DOWN), waiting or opened

    async def await_other(self, opened: Open) -> tuple[Event, Open]:
        """Waits until another has refreshed.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        deadline = asyncio.get_running_loop().time() + TURN_S
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_S)
            fresh = await self._logins.read(opened.ticket, touch=False)
            if fresh is None:
                return Event.WRONG, opened
            if is_good(fresh.login, self._clock()):
                return Event.RENEWED, fresh
            if fresh.turn_ends <= self._clock() or fresh.turn_ends - self._clock() <= PAUSE_S:
                break  # the other has given up
        return Event.DOWN, opened
