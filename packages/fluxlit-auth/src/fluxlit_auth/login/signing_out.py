"""The routes that end logins: ``/auth/logout``, ``/auth/logged-out`` and ``/auth/backchannel-logout``."""

from __future__ import annotations

import hmac
import logging
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxlit_auth.errors import AuthConfigError, ProviderUnavailable, TokenRefused
from fluxlit_auth.jws import verify
from fluxlit_auth.login.answers import page, question, redirect
from fluxlit_auth.login.board import Board
from fluxlit_auth.login.box import new_secret
from fluxlit_auth.login.client import Client
from fluxlit_auth.login.cookies import only, read_cookies
from fluxlit_auth.login.logins import Login, Logins
from fluxlit_auth.login.logout_token import LogoutToken, read_logout_token
from fluxlit_auth.login.options import Options
from fluxlit_auth.login.place import LOGGED_OUT, LOGOUT, RETURN_TO, Place
from fluxlit_auth.login.return_path import leads_inside
from fluxlit_auth.login.stores import WALL, Clock
from fluxlit_auth.provider import Provider
from fluxlit_sessions import SessionError

logger = logging.getLogger("fluxlit_auth")

MAX_BODY = 64 * 1024
STATE_S = 600
FORM = "application/x-www-form-urlencoded"
OUT = "You are signed out"


class SigningOut:
    """Ends logins.

    Args:
        options: of the client.
        provider: where the login came from.
        client: who asks there.
        logins: the sessions.
        board: remembers which logout tokens were used.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        options: Options,
        provider: Provider,
        client: Client,
        logins: Logins,
        board: Board,
        clock: Clock = WALL,
    ) -> None:
        self._options, self._provider, self._client = options, provider, client
        self._logins, self._board, self._clock = logins, board, clock

    # By the user.

    async def leave(self, request: Request, place: Place) -> Response:
        """Answers ``/auth/logout``.

        By POST from a page of the application, or by GET with the handle of the session, which only such a page
        knows. A bare GET asks: a link or an image of another site must not sign anybody out (ASVS 3.5.3).
        """
        ticket = only(read_cookies(request.scope), place.jar.session)
        try:
            opened = await self._logins.read(ticket, touch=False) if ticket is not None else None
            if opened is None:
                return page(200, OUT, "There is nothing to end.", cookies=(place.jar.clear(place.jar.session),))
            query = request.query_params
            if not self._meant(request, place, opened.handle):
                if request.method == "POST":
                    return page(403, "Not done", "This request does not come from a page of this application.")
                here = {name: query[name] for name in (RETURN_TO,) if name in query}
                return question("Sign out?", "Your session will end.", place.path(LOGOUT, **here), "Sign out")
            await self._logins.end([opened.handle], "its user has logged out")
        except SessionError as error:
            logger.error("logout not possible: %s", error)  # noqa: TRY400 - the message says it all
            return page(503, "Not done", "You cannot be signed out at the moment. Try again soon.")
        return await self._farewell(opened.login, query.get(RETURN_TO), place)

    def _meant(self, request: Request, place: Place, handle: str) -> bool:
        site = request.headers.get("sec-fetch-site")
        if site not in (None, "same-origin", "none"):
            return False
        if "prefetch" in request.headers.get("sec-purpose", ""):
            return False
        if request.method == "POST":
            origin = request.headers.get("origin")
            return site == "same-origin" if origin is None else origin == place.origin
        return hmac.compare_digest(request.query_params.get("session", "").encode(), handle.encode())

    async def _farewell(self, login: Login, wanted: str | None, place: Place) -> Response:
        """Tells the provider, if it wants to hear of it, and says goodbye."""
        cookies = [place.jar.clear(place.jar.session)]
        back = wanted if wanted is not None and leads_inside(wanted, place.mount) else None
        try:
            metadata = await self._provider.metadata()
            if login.refresh_token is not None:
                await self._client.revoke(metadata, login.refresh_token)
        except (ProviderUnavailable, AuthConfigError) as error:
            logger.warning("the provider does not hear of a logout: %s", error)
        else:
            if metadata.end_session_endpoint and self._options.logout_at_provider:
                return self._to_provider(metadata.end_session_endpoint, login, back, place, cookies)
        return redirect(back or place.path(LOGGED_OUT), cookies)

    def _to_provider(
        self, endpoint: str, login: Login, back: str | None, place: Place, cookies: list[bytes]
    ) -> Response:
        """OpenID Connect RP-Initiated Logout 1.0 section 2."""
        state = new_secret()
        query = {
            "client_id": self._options.client_id,
            "post_logout_redirect_uri": place.url(LOGGED_OUT),
            "state": state,
            **({"id_token_hint": login.id_token} if login.id_token else {}),
        }
        value = state if back is None else f"{state}.{back.encode().hex()}"
        if len(value) <= 512:
            cookies.append(place.jar.set(place.jar.logout, value, max_age=STATE_S))
        return redirect(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", cookies)

    async def goodbye(self, request: Request, place: Place) -> Response:
        """Answers ``/auth/logged-out``, where the provider sends the browser after a logout."""
        jar, cookies = place.jar, read_cookies(request.scope)
        value = only(cookies, jar.logout)
        states = request.query_params.getlist("state")
        if value is None and not states:
            return page(200, OUT, "You can close this window.", link=(f"{place.mount}/", "Start page"))
        if jar.logout not in cookies and jar.session not in cookies:
            # The way back through a provider ends here a second time. It is true all the same.
            return redirect(place.path(LOGGED_OUT))
        expected, _, back = (value or "").partition(".")
        if len(states) != 1 or not hmac.compare_digest(states[0].encode(), expected.encode()):
            logger.warning("an answer to a logout does not belong to one of this browser")
            text = "This answer does not belong to a sign-out of this browser."
            return page(400, "Something is wrong", text, link=(f"{place.mount}/", "Start page"))
        try:
            path = bytes.fromhex(back).decode("ascii")
        except ValueError:
            path = ""
        # Elsewhere in any case: this address works once, and a reload or the way back must not show an error.
        away = path if path and leads_inside(path, place.mount) else place.path(LOGGED_OUT)
        return redirect(away, [jar.clear(jar.logout)])

    # By the provider.

    async def obey(self, request: Request) -> Response:
        """Answers ``/auth/backchannel-logout`` (OpenID Connect Back-Channel Logout 1.0 section 2.5)."""
        try:
            token = await self._verified(await _logout_token(request))
            await self._use_up(token)
            await self._logins.end(await self._named(token), "the provider has ended it")
        except TokenRefused as refused:
            logger.warning("a logout token was refused (%s): %s", refused.reason, refused)
            return JSONResponse(
                {"error": "invalid_request", "error_description": str(refused)}, 400, {"cache-control": "no-store"}
            )
        except (ProviderUnavailable, SessionError) as down:
            logger.error("a logout of the provider cannot be carried out: %s", down)  # noqa: TRY400
            # 503 and not 400: the request is right, and the provider may send it again.
            return JSONResponse({"error": "temporarily_unavailable"}, 503, {"cache-control": "no-store"})
        return Response(status_code=200, headers={"cache-control": "no-store"})

    async def _use_up(self, token: LogoutToken) -> None:
        if not await self._board.once("logout token", f"{self._provider.issuer} {token.token_id}"):
            raise TokenRefused("jti", "the token was used before")

    async def _verified(self, text: str) -> LogoutToken:
        metadata = await self._provider.metadata()
        allowed = [name for name in self._options.algorithms if name in (metadata.algorithms or {name})]
        token = await verify(text, self._provider.keys, allowed)
        return read_logout_token(
            token, self._provider.issuer, self._options.client_id, self._clock(), self._options.leeway
        )

    async def _named(self, token: LogoutToken) -> list[str]:
        issuer = self._provider.issuer
        if token.sid is None:
            return await self._logins.of_subject(issuer, token.subject or "")
        handles = await self._logins.of_sid(issuer, token.sid)
        if token.subject is None:
            return handles
        theirs = set(await self._logins.of_subject(issuer, token.subject))
        return [handle for handle in handles if handle in theirs]


async def _logout_token(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise TokenRefused("format", f"a logout token comes in a form ({FORM})")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TokenRefused("format", "the form is too long")
    values = [value for name, value in parse_qsl(body.decode("latin-1")) if name == "logout_token"]
    if len(values) != 1:
        raise TokenRefused("format", "the form holds no logout_token, or several")
    return values[0]
