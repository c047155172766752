"""The authorization code flow: `begin` serves ``/auth/login``, `complete` serves ``/auth/callback``.

The order of the steps in `complete` is a security property. The pending request is taken, which works once, before
anything in the response is trusted. The code goes to the token endpoint only after the response was matched to this
browser and this provider. A session is opened only after the tokens were verified, and its id is always new.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from fluxlit_auth.errors import AuthConfigError, AuthError, LoginRefused, ProviderUnavailable, TokenRefused
from fluxlit_auth.login.authorization_request import LIFETIME_S, AuthorizationRequest
from fluxlit_auth.login.authorization_response import (
    ERRORS,
    OTHER_ERROR,
    AuthorizationResponse,
    authorization_code,
    parse_authorization_response,
)
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.cookies import MAX_ATTEMPTS, only, read_cookies
from fluxlit_auth.login.login_session import LoginSession
from fluxlit_auth.login.oauth_client import Tokens, authorization_url
from fluxlit_auth.login.pages import page, redirect
from fluxlit_auth.login.public_url import CALLBACK, LOGIN, RETURN_TO, PublicUrl
from fluxlit_auth.login.return_path import return_path
from fluxlit_auth.login.user_claims import login_of, userinfo_claims, verified_claims, wants_userinfo
from fluxlit_auth.metadata import Metadata
from fluxlit_sessions import SessionError

logger = logging.getLogger("fluxlit_auth")

AGAIN = "Please sign in again."
OUTAGE = "Sign-in is temporarily unavailable because a required service does not respond. Try again in a few seconds."
SEPARATOR = "."

Cookies = Mapping[str, tuple[str, ...]]


async def begin(context: LoginContext, request: Request, url: PublicUrl) -> Response:
    """Serve ``/auth/login``: send the browser to the provider."""
    wanted = request.query_params.getlist(RETURN_TO)
    return_to = return_path(wanted[0] if len(wanted) == 1 else None, url.mount)
    try:
        metadata = await context.provider.metadata()
        pending = AuthorizationRequest(metadata.issuer, url.absolute(CALLBACK), return_to)
        state, secret = await context.requests.add(pending)
        parameters = context.client.authorization_parameters(pending, state)
        if metadata.par_endpoint:
            parameters = await context.client.push(metadata, parameters)
    except (AuthError, SessionError) as error:
        return _failure(error, url, return_to)
    cookies = _attempt_cookies(url, read_cookies(request.scope), state, secret)
    return redirect(authorization_url(metadata, parameters), cookies)


async def complete(context: LoginContext, request: Request, url: PublicUrl) -> Response:
    """Serve ``/auth/callback``: verify the response and open a login session."""
    cookies = read_cookies(request.scope)
    try:
        response = parse_authorization_response(request.scope["query_string"])
        pending = await _take_request(context, url, cookies, response)
    except (AuthError, SessionError) as error:
        return _failure(error, url, return_path(None, url.mount))
    # From here on the request is used up, so its cookie goes with every response.
    attempt_cookie = url.cookies.clear(url.cookies.attempt(response.state))
    try:
        metadata = await context.provider.metadata()
        code = authorization_code(response, pending, metadata)
        session = await _open_session(context, metadata, pending, code)
    except (AuthError, SessionError) as error:
        return _failure(error, url, pending.return_to, attempt_cookie)
    await _end_previous(context, url, cookies)
    logger.info("login session %s begins", session.handle)
    return redirect(pending.return_to, [url.cookies.set(url.cookies.session, session.ticket), attempt_cookie])


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
    claims = await _claims(context, metadata, pending, code, tokens)
    return await context.sessions.open(login_of(context, claims, tokens))


async def _claims(
    context: LoginContext, metadata: Metadata, pending: AuthorizationRequest, code: str, tokens: Tokens
) -> dict[str, object]:
    if not metadata.jwks_uri:  # plain OAuth 2.0, without ID tokens
        return await userinfo_claims(context, metadata, tokens, {})
    claims = await verified_claims(context, metadata, tokens, nonce=pending.nonce, code=code)
    if wants_userinfo(context, metadata):
        return await userinfo_claims(context, metadata, tokens, claims)
    return claims


async def _end_previous(context: LoginContext, url: PublicUrl, cookies: Cookies) -> None:
    """End the session that the browser had before, if any (ASVS 7.2.4)."""
    ticket = only(cookies, url.cookies.session)
    try:
        previous = await context.sessions.read(ticket, touch=False) if ticket is not None else None
        if previous is not None:
            await context.sessions.end([previous.handle], "the browser has logged in again")
    except SessionError as error:
        logger.error("Previous login session could not be ended: %s", error)  # noqa: TRY400 - the message is enough


def _attempt_cookies(url: PublicUrl, cookies: Cookies, state: str, secret: str) -> list[bytes]:
    """Bind the request to the browser, and drop the oldest ones that it has pending."""
    names = url.cookies
    pending = names.attempts(cookies)
    oldest = pending[: max(0, len(pending) - MAX_ATTEMPTS + 1)]
    value = f"{int(time.time())}{SEPARATOR}{secret}"
    return [*(names.clear(name) for name in oldest), names.set(names.attempt(state), value, max_age=LIFETIME_S)]


def _failure(error: AuthError | SessionError, url: PublicUrl, return_to: str, *cookies: bytes) -> Response:
    again = url.path(LOGIN, **{RETURN_TO: return_to})
    if isinstance(error, (SessionError, ProviderUnavailable, AuthConfigError)):
        logger.error("Login failed: %s", error)
        return page(503, "Sign-in is not available now", OUTAGE, link=(again, "Try again"), cookies=cookies)
    reason = error.reason if isinstance(error, (LoginRefused, TokenRefused)) else "grant"
    logger.warning("Login refused (%s): %s", reason, error)
    text = ERRORS.get(reason, OTHER_ERROR if reason == "error" else AGAIN)
    return page(400, "Sign-in failed", text, link=(again, "Sign in"), cookies=cookies)
