"""Logout by the user, at the provider and by the provider."""

from __future__ import annotations

import hmac
import logging
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxlit_auth.errors import AuthConfigError, ProviderUnavailable, TokenRefused
from fluxlit_auth.jws import verify
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.cookies import only, read_cookies
from fluxlit_auth.login.encryption import new_secret
from fluxlit_auth.login.login_session import ENDED, Login
from fluxlit_auth.login.logout_token import LogoutToken, parse_logout_token
from fluxlit_auth.login.pages import page, question, redirect
from fluxlit_auth.login.public_url import LOGGED_OUT, LOGOUT, RETURN_TO, PublicUrl
from fluxlit_auth.login.return_path import leads_inside
from fluxlit_sessions import SessionError

logger = logging.getLogger("fluxlit_auth")

MAX_BODY = 64 * 1024
STATE_S = 600
MAX_COOKIE = 512
MAX_HINT = 2048
"""Length of an ID token up to which it is part of the logout's URL."""

FORM = "application/x-www-form-urlencoded"
NO_STORE = {"cache-control": "no-store"}
SIGNED_OUT = "You are signed out"
FAILED = "Sign-out failed"


async def end(context: LoginContext, request: Request, url: PublicUrl) -> Response:
    """Serve ``/auth/logout``: end the login here and at the provider.

    By POST from a page of the application, or by GET with the handle of the session, which only such a page knows. A
    GET without it shows a form: a link or an image of another site must not sign users out (ASVS 3.5.3).
    """
    ticket = only(read_cookies(request.scope), url.cookies.session)
    try:
        session = await context.sessions.read(ticket, touch=False) if ticket is not None else ENDED
        if session is ENDED:
            text = "There is no login to end."
            start = (f"{url.mount}/", "Start page")
            return page(200, SIGNED_OUT, text, link=start, cookies=(url.cookies.clear(url.cookies.session),))
        if not _is_intended(request, url, session.handle):
            return _question(request, url)
        await context.sessions.end_now([session.handle], "logout by the user")
    except SessionError as error:
        logger.error("Logout failed: %s", error)  # noqa: TRY400 - the message is enough
        return page(503, FAILED, "The session store does not respond. Try again in a few seconds.")
    return await _ended(context, session.login, request.query_params.get(RETURN_TO), url)


def _is_intended(request: Request, url: PublicUrl, handle: str) -> bool:
    """Whether a request is no other site's and no prefetch."""
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        return False
    if "prefetch" in request.headers.get("sec-purpose", ""):
        return False
    if request.method == "POST":
        origin = request.headers.get("origin")
        return site == "same-origin" if origin is None else origin == url.origin
    return hmac.compare_digest(request.query_params.get("session", "").encode(), handle.encode())


def _question(request: Request, url: PublicUrl) -> Response:
    if request.method == "POST":
        return page(403, FAILED, "The request does not come from a page of this application.")
    query = {name: value for name, value in request.query_params.items() if name == RETURN_TO}
    return question("Sign out?", "Your session will end.", url.path(LOGOUT, **query), "Sign out")


async def _ended(context: LoginContext, login: Login, wanted: str | None, url: PublicUrl) -> Response:
    """Revoke the refresh token and redirect the browser."""
    cookies = [url.cookies.clear(url.cookies.session)]
    return_to = wanted if wanted is not None and leads_inside(wanted, url.mount) else None
    try:
        metadata = await context.provider.metadata()
        if login.refresh_token is not None and context.options.preset.revokes_token_only:
            await context.client.revoke(metadata, login.refresh_token)
    except (ProviderUnavailable, AuthConfigError) as error:
        logger.warning("Logout could not be sent to the provider: %s", error)
    else:
        if metadata.end_session_endpoint and context.options.logout_at_provider:
            return _to_provider(context, metadata.end_session_endpoint, login, return_to, url, cookies)
    return redirect(return_to or url.path(LOGGED_OUT), cookies)


def _to_provider(
    context: LoginContext, endpoint: str, login: Login, return_to: str | None, url: PublicUrl, cookies: list[bytes]
) -> Response:
    """Redirect to the provider (RP-Initiated Logout 1.0 section 2)."""
    state = new_secret()
    query = {
        "client_id": context.options.client_id,
        context.options.preset.logout_parameter: url.absolute(LOGGED_OUT),
        "state": state,
    }
    # Only recommended, and a user in many groups has a token that servers refuse in a URL.
    if login.id_token and len(login.id_token) <= MAX_HINT:
        query["id_token_hint"] = login.id_token
    value = state if return_to is None else f"{state}.{return_to.encode().hex()}"
    if len(value) <= MAX_COOKIE:
        cookies.append(url.cookies.set(url.cookies.logout, value, max_age=STATE_S))
    return redirect(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", cookies)


async def confirm(context: LoginContext, request: Request, url: PublicUrl) -> Response:
    """Serve ``/auth/logged-out``, the page after a logout."""
    names, cookies = url.cookies, read_cookies(request.scope)
    value = only(cookies, names.logout)
    states = request.query_params.getlist("state")
    if value is None and not states:
        return page(200, SIGNED_OUT, "You can close this window.", link=(f"{url.mount}/", "Start page"))
    if names.logout not in cookies and names.session not in cookies:
        # The browser's Back button leads here a second time. The user is signed out all the same.
        return redirect(url.path(LOGGED_OUT))
    expected, _, encoded = (value or "").partition(".")
    stateless = not states and not context.options.preset.logout_state
    if not stateless and (len(states) != 1 or not hmac.compare_digest(states[0].encode(), expected.encode())):
        logger.warning("Logout response refused: its state is not one of this browser")
        text = "The response does not belong to a sign-out of this browser."
        return page(400, "Invalid sign-out response", text, link=(f"{url.mount}/", "Start page"))
    # Redirected in any case: this address works once, and a reload or the Back button must not show an error.
    return redirect(_return_to(encoded, url), [names.clear(names.logout)])


def _return_to(encoded: str, url: PublicUrl) -> str:
    try:
        path = bytes.fromhex(encoded).decode("ascii")
    except ValueError:
        path = ""
    return path if path and leads_inside(path, url.mount) else url.path(LOGGED_OUT)


async def end_by_provider(context: LoginContext, request: Request) -> Response:
    """Serve ``/auth/backchannel-logout`` (section 2.5 of its standard)."""
    try:
        await _end_named(context, await _verified(context, await _token_of(request)))
    except TokenRefused as refused:
        logger.warning("Logout token refused (%s): %s", refused.reason, refused)
        return JSONResponse({"error": "invalid_request", "error_description": str(refused)}, 400, NO_STORE)
    except (ProviderUnavailable, SessionError) as error:
        logger.error("Back-channel logout failed: %s", error)  # noqa: TRY400 - the message is enough
        # 503 and not 400: the request is valid, and the provider may send it again.
        return JSONResponse({"error": "temporarily_unavailable"}, 503, NO_STORE)
    return Response(status_code=200, headers=NO_STORE)


async def _end_named(context: LoginContext, token: LogoutToken) -> None:
    """End the sessions of a logout token, then mark it as used.

    A failure in between is reported as 503, and the provider sends the token again. To end a session twice is harmless.
    """
    token_id = f"{context.provider.issuer} {token.token_id}"
    if await context.revocations.used("logout token", token_id):
        raise TokenRefused("jti", "the token was used before")
    await context.sessions.end_now(await _handles(context, token), "logout by the provider")
    await context.revocations.once("logout token", token_id)


async def _verified(context: LoginContext, text: str) -> LogoutToken:
    options = context.options
    metadata = await context.provider.metadata()
    token = await verify(text, context.provider.keys, options.algorithms_of(metadata))
    return parse_logout_token(token, metadata.issuer, options.client_id, context.clock(), options.leeway)


async def _handles(context: LoginContext, token: LogoutToken) -> list[str]:
    """Handles of the sessions that a logout token names."""
    issuer, sessions = context.provider.issuer, context.sessions
    if token.sid is None:
        return await sessions.of_subject(issuer, token.subject or "")
    handles = await sessions.of_sid(issuer, token.sid)
    if token.subject is None:
        return handles
    own = set(await sessions.of_subject(issuer, token.subject))
    return [handle for handle in handles if handle in own]


async def _token_of(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise TokenRefused("format", f"a logout token is sent as a form ({FORM})")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TokenRefused("format", "the form exceeds the size limit")
    values = [value for name, value in parse_qsl(body.decode("latin-1")) if name == "logout_token"]
    if len(values) != 1:
        raise TokenRefused("format", "the form must hold one logout_token")
    return values[0]
