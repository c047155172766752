"""The authorization code flow: `begin` and `complete`.

`begin` serves ``/auth/login``, `complete` serves ``/auth/callback``. The order of the steps in `complete` is a security
property. The pending request is taken, which works once, before anything in the response is trusted. The code goes to
the token endpoint only after the response was matched to this browser and this provider. A session is opened only after
the tokens were verified, and its id is always new.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from fluxlit_auth.claims import printable
from fluxlit_auth.errors import (
    AuthConfigError,
    AuthError,
    ClientRefused,
    LoginRefused,
    ProviderUnavailable,
    TokenRefused,
)
from fluxlit_auth.login.authorization_request import LIFETIME_S, AuthorizationRequest
from fluxlit_auth.login.authorization_response import (
    ERRORS,
    OTHER_ERROR,
    AuthorizationResponse,
    authorization_code,
    parse_authorization_response,
)
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.cookies import MAX_ATTEMPT_BYTES, MAX_ATTEMPTS, only, read_cookies
from fluxlit_auth.login.login_session import ENDED, SHORT_HANDLE, LoginSession
from fluxlit_auth.login.oauth_client import authorization_url
from fluxlit_auth.login.pages import page, redirect
from fluxlit_auth.login.public_url import CALLBACK, LOGIN, RETURN_TO, PublicUrl
from fluxlit_auth.login.return_path import return_path
from fluxlit_auth.login.user_claims import login_of, userinfo_claims, verified_claims
from fluxlit_auth.metadata import Metadata
from fluxlit_sessions import SessionDataError, SessionError

logger = logging.getLogger("fluxlit_auth")

AGAIN = "Please sign in again."
OUTAGE = "Sign-in is temporarily unavailable because a required service does not respond. Try again in a few seconds."
TOO_MANY = "Too many sign-ins were begun from your network. Try again in a few minutes."
SEPARATOR = "."

Cookies = Mapping[str, tuple[str, ...]]


async def begin(context: LoginContext, request: Request, url: PublicUrl) -> Response:
    """Serve ``/auth/login``: send the browser to the provider."""
    wanted = request.query_params.getlist(RETURN_TO)
    return_to = return_path(wanted[0] if len(wanted) == 1 else None, url.mount)
    if not context.budget.spend(address_of(request)):
        return _too_many(context, request)
    try:
        metadata = await context.provider.metadata()
        pending = AuthorizationRequest(metadata.issuer, url.absolute(CALLBACK), return_to)
        state, encrypted = await context.requests.add(pending)
        parameters = await context.client.authorization_parameters(metadata, pending, state)
    except (AuthError, SessionError) as error:
        return _failure(error, url, return_to)
    cookies = _attempt_cookies(url, read_cookies(request.scope), state, encrypted)
    return redirect(authorization_url(metadata, parameters), cookies)


async def complete(context: LoginContext, request: Request, url: PublicUrl) -> Response:
    """Serve ``/auth/callback``: verify the response and open a login session."""
    cookies = read_cookies(request.scope)
    try:
        response = parse_authorization_response(request.scope["query_string"])
        pending = await _take_request(context, url, cookies, response)
    except LoginRefused as refused:
        if await _is_signed_in(context, url, cookies):
            # A bookmark, a reload or the Back button. The response itself is of no effect.
            return redirect(return_path(None, url.mount))
        return _failure(refused, url, return_path(None, url.mount))
    except (AuthError, SessionError) as error:
        return _failure(error, url, return_path(None, url.mount))
    # From here on the request is used up, so its cookie goes with every response.
    attempt_cookie = url.cookies.clear(url.cookies.attempt(response.state))
    try:
        metadata = await context.provider.metadata()
        code = authorization_code(response, pending, metadata)
        session = await _open_session(context, metadata, pending, code)
        await _end_previous(context, url, cookies)
    except (AuthError, SessionError) as error:
        return _failure(error, url, pending.return_to, attempt_cookie)
    _log_login(request, session)
    return redirect(pending.return_to, [url.cookies.set(url.cookies.session, session.ticket), attempt_cookie])


async def _is_signed_in(context: LoginContext, url: PublicUrl, cookies: Cookies) -> bool:
    ticket = only(cookies, url.cookies.session)
    try:
        return ticket is not None and await context.sessions.read(ticket, touch=False) is not ENDED
    except SessionError:
        return False


async def _take_request(
    context: LoginContext, url: PublicUrl, cookies: Cookies, response: AuthorizationResponse
) -> AuthorizationRequest:
    value = only(cookies, url.cookies.attempt(response.state))
    if value is None:
        # Checked before the request is taken: a response opened in another browser must not use it up.
        raise LoginRefused("browser", "authorization response for a sign-in that another browser began")
    pending = await context.requests.take(response.state, value.partition(SEPARATOR)[2])
    if pending is None:
        raise LoginRefused("state", "the sign-in has expired, or its response was already used")
    return pending


async def _open_session(
    context: LoginContext, metadata: Metadata, pending: AuthorizationRequest, code: str
) -> LoginSession:
    tokens = await context.client.redeem(metadata, pending, code)
    id_claims: dict[str, object] = {}
    if metadata.jwks_uri:  # without it, it is plain OAuth 2.0, which has no ID tokens
        id_claims = await verified_claims(context, metadata, tokens, nonce=pending.nonce, code=code)
    userinfo = await userinfo_claims(context, metadata, tokens, id_claims)
    return await context.sessions.open(login_of(context, id_claims, userinfo, tokens))


async def _end_previous(context: LoginContext, url: PublicUrl, cookies: Cookies) -> None:
    """End the session that the browser had before, if any (ASVS 7.2.4).

    If that fails, so does the login: the browser keeps the old cookie, and the next attempt ends the old session.
    """
    ticket = only(cookies, url.cookies.session)
    try:
        previous = await context.sessions.read(ticket, touch=False) if ticket is not None else ENDED
    except SessionDataError:
        return  # under a former key: of no use to a client
    if previous is not ENDED:
        await context.sessions.end_now([previous.handle], "new login of the browser")


def _log_login(request: Request, session: LoginSession) -> None:
    login = session.login
    logger.info(
        "Login succeeded: user=%s issuer=%s address=%s session=%s",
        printable(login.subject),
        login.issuer,
        printable(address_of(request)),
        session.handle[:SHORT_HANDLE],
    )


def _attempt_cookies(url: PublicUrl, cookies: Cookies, state: str, encrypted: str) -> list[bytes]:
    """Bind the request to the browser, and drop its oldest others.

    Their number and their total size are limited.
    """
    names = url.cookies
    # Microseconds, because a browser that restores its tabs begins many logins in one second.
    value = f"{time.time_ns() // 1000}{SEPARATOR}{encrypted}"
    kept, room = 1, MAX_ATTEMPT_BYTES - len(value)
    cleared: list[bytes] = []
    for name in reversed(names.attempts(cookies)):  # newest first
        room -= sum(map(len, cookies[name]))
        kept += 1
        if kept > MAX_ATTEMPTS or room < 0:
            cleared.append(names.clear(name))
    return [*cleared, names.set(names.attempt(state), value, max_age=LIFETIME_S)]


def address_of(request: Request) -> str:
    """Return the IP address of the client; empty if it is unknown."""
    return request.client.host if request.client is not None else ""


def _too_many(context: LoginContext, request: Request) -> Response:
    logger.warning("Login refused (budget): address=%s", printable(address_of(request)))
    return page(429, "Too many sign-ins", TOO_MANY, retry_after=context.budget.seconds_left())


def _failure(error: AuthError | SessionError, url: PublicUrl, return_to: str, *cookies: bytes) -> Response:
    again = url.path(LOGIN, **{RETURN_TO: return_to})
    if isinstance(error, (SessionError, ProviderUnavailable, AuthConfigError, ClientRefused)):
        logger.error("Login failed: %s", error)
        return page(503, "Sign-in is not available now", OUTAGE, link=(again, "Try again"), cookies=cookies)
    reason = error.reason if isinstance(error, (LoginRefused, TokenRefused)) else "grant"
    logger.warning("Login refused (%s): %s", reason, error)
    text = ERRORS.get(reason, OTHER_ERROR if reason == "error" else AGAIN)
    return page(400, "Sign-in failed", text, link=(again, "Sign in"), cookies=cookies)
