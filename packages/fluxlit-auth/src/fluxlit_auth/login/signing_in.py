"""The routes ``/auth/login`` and ``/auth/callback``: the driver of the table `FLOW`."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from fluxlit_auth.errors import AuthConfigError, GrantRefused, LoginRefused, ProviderUnavailable, TokenRefused
from fluxlit_auth.login.answers import page, redirect
from fluxlit_auth.login.attempts import LIFETIME_S, Attempt, Attempts
from fluxlit_auth.login.callback import ERRORS, OTHER_ERROR, Callback, code_of, read_callback
from fluxlit_auth.login.client import Client, Tokens, location
from fluxlit_auth.login.cookies import MAX_ATTEMPTS, only, read_cookies
from fluxlit_auth.login.flow import FLOW, Effect, Event, State, drive
from fluxlit_auth.login.logins import Logins, Open
from fluxlit_auth.login.place import CALLBACK, LOGIN, RETURN_TO, Place
from fluxlit_auth.login.return_path import return_path
from fluxlit_auth.login.verifying import Verifier
from fluxlit_auth.metadata import Metadata
from fluxlit_auth.provider import Provider
from fluxlit_sessions import SessionError

T = TypeVar("T")

logger = logging.getLogger("fluxlit_auth")

AGAIN = "Please sign in again."
OUTAGE = "Signing in is not possible at the moment, because a service that it needs does not answer. Try again soon."
SEPARATOR = "."


@dataclass(slots=True)
class Walk:
    """One browser on its way through the table.

    Attributes:
        place: where the application is for it.
        cookies: those that it sent.
        return_to: where it goes in the end.
    """

    place: Place
    cookies: dict[str, tuple[str, ...]]
    return_to: str
    metadata: Metadata | None = None
    attempt: Attempt | None = None
    state: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    request: dict[str, str] = field(default_factory=dict, repr=False)
    callback: Callback | None = None
    code: str = field(default="", repr=False)
    tokens: Tokens | None = None
    claims: dict[str, Any] = field(default_factory=dict, repr=False)
    opened: Open | None = None
    refusal: str = AGAIN
    set_cookies: list[bytes] = field(default_factory=list, repr=False)
    answer: Response | None = None


class SigningIn:
    """Takes browsers through a login.

    Args:
        provider: where they log in.
        client: who asks there.
        verifier: judges what comes back.
        attempts: logins under way.
        logins: where they end.
    """

    def __init__(
        self, provider: Provider, client: Client, verifier: Verifier, attempts: Attempts, logins: Logins
    ) -> None:
        self._provider, self._client, self._verifier = provider, client, verifier
        self._attempts, self._logins = attempts, logins

    async def begin(self, request: Request, place: Place) -> Response:
        """Answers ``/auth/login``: sends the browser to the provider."""
        wanted = request.query_params.getlist(RETURN_TO)
        return_to = return_path(wanted[0] if len(wanted) == 1 else None, place.mount)
        walk = Walk(place, read_cookies(request.scope), return_to)
        return await self._walk(walk, State.START, Event.LOGIN)

    async def finish(self, request: Request, place: Place) -> Response:
        """Answers ``/auth/callback``: the browser is back."""
        walk = Walk(place, read_cookies(request.scope), return_path(None, place.mount))
        try:
            walk.callback = read_callback(request.scope["query_string"])
        except LoginRefused as refused:
            logger.warning("login refused (%s): %s", refused.reason, refused)
            return self._refusal(walk)
        return await self._walk(walk, State.AWAY, Event.RETURNED)

    async def _walk(self, walk: Walk, state: State, event: Event) -> Response:
        await drive(FLOW, state, event, lambda effect: self._perform(walk, effect))
        assert walk.answer is not None
        return walk.answer

    async def _perform(self, walk: Walk, effect: Effect) -> Event | None:
        try:
            return await self._effect(walk, effect)
        except (LoginRefused, TokenRefused) as refused:
            logger.warning("login refused (%s): %s", refused.reason, refused)
            walk.refusal = ERRORS.get(refused.reason, OTHER_ERROR if refused.reason == "error" else AGAIN)
            return Event.WRONG
        except GrantRefused as refused:
            logger.warning("login refused: %s", refused)
            return Event.WRONG
        except (ProviderUnavailable, SessionError, AuthConfigError) as down:
            logger.error("login not possible: %s", down)  # noqa: TRY400 - the message says it all
            return Event.DOWN

    async def _effect(self, walk: Walk, effect: Effect) -> Event | None:  # noqa: PLR0911 - one for each effect
        match effect:
            case Effect.FIND_PROVIDER:
                metadata = await self._provider.metadata()
                walk.metadata = metadata
                walk.attempt = Attempt(metadata.issuer, walk.place.url(CALLBACK), walk.return_to)
                return Event.FOUND
            case Effect.STORE_ATTEMPT:
                return await self._store_attempt(walk)
            case Effect.PUSH_REQUEST:
                walk.request = await self._client.push(await self._provider.metadata(), walk.request)
                return Event.PUSHED
            case Effect.TAKE_ATTEMPT:
                return await self._take_attempt(walk)
            case Effect.MATCH_ANSWER:
                walk.code = code_of(_there(walk.callback), _there(walk.attempt), await self._provider.metadata())
                return Event.MATCHED
            case Effect.REDEEM_CODE:
                metadata = await self._provider.metadata()
                walk.tokens = await self._client.redeem(metadata, _there(walk.attempt), walk.code)
                return Event.TOKENS if metadata.jwks_uri else Event.BARE
            case Effect.VERIFY_TOKENS:
                walk.claims = await self._verifier.of_login(_there(walk.tokens), _there(walk.attempt), walk.code)
                return Event.INCOMPLETE if await self._verifier.wants_userinfo() else Event.VERIFIED
            case Effect.ASK_USERINFO:
                walk.claims = await self._verifier.completed(walk.claims, _there(walk.tokens))
                return Event.KNOWN
            case Effect.OPEN_SESSION:
                walk.opened = await self._logins.open(self._verifier.login(walk.claims, _there(walk.tokens)))
                return Event.OPENED
        await self._conclude(walk, effect)
        return None

    async def _conclude(self, walk: Walk, effect: Effect) -> None:
        jar = walk.place.jar
        match effect:
            case Effect.BIND_BROWSER:
                value = f"{int(time.time())}{SEPARATOR}{walk.secret}"
                under_way = jar.attempts(walk.cookies)
                oldest = under_way[: max(0, len(under_way) - MAX_ATTEMPTS + 1)]
                walk.set_cookies += [jar.clear(name) for name in oldest]
                walk.set_cookies.append(jar.set(jar.attempt(walk.state), value, max_age=LIFETIME_S))
            case Effect.SEND_AWAY:
                walk.answer = redirect(location(_there(walk.metadata), walk.request), walk.set_cookies)
            case Effect.END_OLD_SESSION:
                await self._end_old(walk)
            case Effect.SET_SESSION:
                walk.set_cookies.append(jar.set(jar.session, _there(walk.opened).ticket))
            case Effect.UNBIND_BROWSER:
                walk.set_cookies.append(jar.clear(jar.attempt(_there(walk.callback).state)))
            case Effect.SEND_BACK:
                logger.info("login session %s begins", _there(walk.opened).handle)
                walk.answer = redirect(_there(walk.attempt).return_to, walk.set_cookies)
            case Effect.SHOW_REFUSAL:
                walk.answer = self._refusal(walk)
            case Effect.SHOW_OUTAGE:
                again = (self._again(walk)[0], "Try again")
                walk.answer = page(503, "Sign-in is not available now", OUTAGE, link=again, cookies=walk.set_cookies)

    async def _store_attempt(self, walk: Walk) -> Event:
        metadata = await self._provider.metadata()
        attempt = _there(walk.attempt)
        walk.state, walk.secret = await self._attempts.remember(attempt)
        walk.request = self._client.request(attempt, walk.state)
        return Event.MUST_PUSH if metadata.par_endpoint else Event.REMEMBERED

    async def _take_attempt(self, walk: Walk) -> Event:
        state = _there(walk.callback).state
        value = only(walk.cookies, walk.place.jar.attempt(state))
        if value is None:
            # Before the attempt is touched: a callback that somebody else's browser was given changes nothing.
            raise LoginRefused("browser", "the answer is for a sign-in that this browser has not begun")
        walk.attempt = await self._attempts.claim(state, value.partition(SEPARATOR)[2])
        if walk.attempt is None:
            raise LoginRefused("state", "the sign-in was begun too long ago, or its answer was used already")
        walk.return_to = walk.attempt.return_to
        return Event.CLAIMED

    async def _end_old(self, walk: Walk) -> None:
        ticket = only(walk.cookies, walk.place.jar.session)
        old = await self._logins.read(ticket, touch=False) if ticket is not None else None
        if old is not None:
            await self._logins.end([old.handle], "its browser has logged in anew")

    def _refusal(self, walk: Walk) -> Response:
        return page(400, "You are not signed in", walk.refusal, link=self._again(walk), cookies=walk.set_cookies)

    def _again(self, walk: Walk) -> tuple[str, str]:
        return walk.place.path(LOGIN, **{RETURN_TO: walk.return_to}), "Sign in"


def _there(value: T | None) -> T:
    assert value is not None
    return value
