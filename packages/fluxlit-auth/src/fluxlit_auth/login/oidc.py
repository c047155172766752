"""`OIDC`: login by OpenID Connect, as an authenticator of the gateway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fluxlit.auth.contract import AuthContext, Verdict
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.login import authorization_code_flow, logout
from fluxlit_auth.login.authorization_request import AuthorizationRequestStore, LoginBudget
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.cookies import NAMES, CookieNames, only, read_cookies
from fluxlit_auth.login.login_session import ENDED, LoginSessionStore
from fluxlit_auth.login.oauth_client import OAuthClient
from fluxlit_auth.login.options import Arguments, LoginSettings, read_options
from fluxlit_auth.login.pages import page
from fluxlit_auth.login.public_url import (
    BACKCHANNEL_LOGOUT,
    CALLBACK,
    LOGGED_OUT,
    LOGIN,
    LOGOUT,
    RETURN_TO,
    SESSION,
    PublicUrl,
    path_of,
)
from fluxlit_auth.login.revocation_log import RevocationLog
from fluxlit_auth.login.session_authenticator import NO_CREDENTIALS, SessionAuthenticator, user_of
from fluxlit_auth.login.stores import WALL, Clock, open_stores, warn_about_memory
from fluxlit_auth.provider import Provider
from fluxlit_sessions import SessionError

logger = logging.getLogger("fluxlit_auth")

POLL_S = 0.4
"""Seconds between two reads of the revocation log."""

NO_ADDRESS = (
    "The public address of this application is unknown. Its operator sets FLUXLIT_PUBLIC_BASE_URL, or "
    "FLUXLIT_TRUST_PROXY behind a proxy that sends it."
)
NO_TLS = (
    "Sign-in requires HTTPS; plain HTTP works on localhost only. Behind a proxy that terminates TLS, the operator sets "
    "FLUXLIT_PUBLIC_BASE_URL to the https:// address."
)
PLAIN = "Logins use plain HTTP; their cookies are for development on this machine only."

Handler = Callable[[LoginContext, Request, PublicUrl], Awaitable[Response]]


class OIDC:
    """Login by OpenID Connect, done by the gateway.

    Settings (``FLUXLIT_OIDC_...``, ``oidc_...`` in the project file) take precedence over arguments.

    Args:
        issuer: URL of the provider, exactly as its metadata spell it.
        client_id: identifier of the application at the provider.
        client_secret: its secret. Better in the environment than in code.
        preset: ``auth0``, ``cognito``, ``entra``, ``github``, ``google``, ``keycloak`` or ``okta``.
        scopes: requested scopes.
        roles_claims: claims that hold roles.
        authorization_params: further parameters of authorization requests, such as ``{"prompt": "select_account"}``.
        kept_claims: claims that remain when a token refresh omits them, for providers that omit some by mistake. By
            default a claim that is absent after a refresh is gone, and with it the roles that it held.
        transport: for tests: replaces the network.
        clock: for tests: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        issuer: str = "",
        client_id: str = "",
        client_secret: str = "",
        preset: str = "",
        scopes: Sequence[str] = (),
        roles_claims: Sequence[str] = (),
        authorization_params: Mapping[str, str] | None = None,
        kept_claims: Sequence[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = WALL,
    ) -> None:
        self._given = Arguments(
            issuer,
            client_id,
            client_secret,
            preset,
            tuple(scopes),
            tuple(roles_claims),
            authorization_params or {},
            tuple(kept_claims),
        )
        self._web, self._clock = HttpClient(transport), clock
        self._gateway: AuthContext | None = None
        self._bound: _Bound | None = None
        self._warned = False

    @classmethod
    def from_settings(cls) -> OIDC:
        """A login that is configured by settings alone."""
        return cls()

    # Description, for the OpenAPI document and for tools.

    @property
    def issuer(self) -> str | None:
        """The provider; `None` before `bind`, or if it has no metadata."""
        options = None if self._bound is None else self._bound.context.options
        return None if options is None or options.preset.known is not None else options.issuer

    @property
    def metadata_url(self) -> str:
        """Where the metadata of the provider are; empty for the usual place."""
        return "" if self._bound is None else self._bound.context.provider.metadata_url

    @property
    def context(self) -> LoginContext:
        """The services of the bound login, for tools."""
        return self._running.context

    def challenge(self) -> str:
        """Value of WWW-Authenticate for a caller of the API without a login.

        RFC 9110 section 11.6.1 requires a challenge with every 401. There is no registered scheme for cookies, and a
        caller must not take this for an invitation to send tokens, so the scheme has a name of its own, which browsers
        and clients ignore. It names the URL of the login.
        """
        return f'Cookie realm="login", login="{self._login_path}"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """The scheme for the OpenAPI document: the cookie of the login."""
        return {
            "OIDC": {
                "type": "apiKey",
                "in": "cookie",
                "name": self._public_cookies.session,
                "description": f"The cookie of a login. Open {self._login_path} in this browser; nothing is entered "
                f"here.",
            }
        }

    # Lifecycle.

    def bind(self, context: AuthContext) -> None:
        """Read the settings.

        Raises:
            AuthConfigError: they are incomplete or contradictory.
        """
        self._gateway = context
        self._bound = _Bound(context.settings, self._given, self._web, self._clock)

    async def start(self) -> None:
        """Log what is missing for production; the provider is not asked."""
        assert self._gateway is not None
        warn_about_memory(self._gateway.settings)

    async def stop(self) -> None:
        """Close connections to the provider and to the store."""
        await self._web.close()
        if self._bound is not None:
            await self._bound.stores.close()

    # Requests.

    async def authenticate(self, scope: Scope) -> Verdict:
        """Authenticate a request by its session cookie."""
        url = self._public_url(scope)
        if url is None or not url.is_secure:
            return NO_CREDENTIALS
        ticket = only(read_cookies(scope), url.cookies.session)
        return NO_CREDENTIALS if ticket is None else await self._running.authenticator.authenticate(ticket, url.cookies)

    def login_location(self, scope: Scope) -> str | None:
        """Return the path of the login, with the way back."""
        url = PublicUrl("", scope.get("root_path", ""), self._api)
        return url.path(LOGIN, **{RETURN_TO: path_of(scope)})

    def strips(self) -> tuple[bytes, ...]:
        """Return no names: a login uses no request headers but cookies."""
        return ()

    def strips_cookies(self) -> tuple[bytes, ...]:
        """Return the patterns of the login's cookies."""
        return tuple(name.encode() for name in NAMES)

    async def ended(self) -> AsyncIterator[str]:
        """Yield the handles of logins that ended on any replica."""
        running, here = self._running, list[str]()
        known: set[str] | None = None
        running.context.sessions.ended.append(here.extend)
        try:
            while True:
                announced = await self._announced(known or set())
                fresh = announced - (known or set())
                running.authenticator.revoke(fresh)
                # A login that ended before this process started has no connections here.
                closing = {*here, *(fresh if known is not None else ())}
                here.clear()
                known = announced
                for handle in closing:
                    yield handle
                await asyncio.sleep(POLL_S)
        finally:
            running.context.sessions.ended.remove(here.extend)

    async def _announced(self, known: set[str]) -> set[str]:
        """Return the logins that ended; `known` if the store is down."""
        try:
            return set(await self._running.context.revocations.announced())
        except SessionError:
            return known  # the store logs its outage itself; every request reads its session again

    # Routes.

    def routes(self) -> Mapping[str, ASGIApp]:
        """Return the routes of the login, by path below the API."""
        return {
            LOGIN: self._route(authorization_code_flow.begin, "GET"),
            CALLBACK: self._route(authorization_code_flow.complete, "GET"),
            LOGOUT: self._route(logout.end, "GET", "POST"),
            LOGGED_OUT: self._route(logout.confirm, "GET"),
            SESSION: self._route(_session, "GET"),
            BACKCHANNEL_LOGOUT: self._backchannel(),
        }

    def _route(self, handler: Handler, *methods: str) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            await (await self._respond(handler, request, methods))(scope, receive, send)

        return serve

    async def _respond(self, handler: Handler, request: Request, methods: tuple[str, ...]) -> Response:
        if request.method not in methods:
            return _not_allowed(*methods)
        url = self._public_url(request.scope)
        if url is None or not url.is_secure:
            reason = NO_ADDRESS if url is None else NO_TLS
            logger.error("Login refused: %s", reason)
            return page(403, "Sign-in is not available here", reason)
        if not url.cookies.secure and not self._warned:
            self._warned = True
            logger.warning(PLAIN)
        return await handler(self._running.context, request, url)

    def _backchannel(self) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            if request.method == "POST":
                response = await logout.end_by_provider(self._running.context, request)
            else:
                response = _not_allowed("POST")
            await response(scope, receive, send)

        return serve

    # Addresses.

    def _public_url(self, scope: Scope) -> PublicUrl | None:
        assert self._gateway is not None
        origin = self._gateway.public_origin(scope)
        return None if origin is None else PublicUrl(origin, scope.get("root_path", ""), self._api)

    @property
    def _login_path(self) -> str:
        return PublicUrl("", self._mount, self._api).path(LOGIN)

    @property
    def _public_cookies(self) -> CookieNames:
        """The cookies under the configured address; without one, as behind TLS."""
        assert self._gateway is not None
        parts = urlsplit(self._gateway.settings.public_base_url or "https://localhost")
        return CookieNames.of(f"{parts.scheme}://{parts.netloc}", self._mount)

    @property
    def _mount(self) -> str:
        assert self._gateway is not None
        return str(self._gateway.settings.root_path)

    @property
    def _api(self) -> str:
        assert self._gateway is not None
        return str(self._gateway.settings.api_mount_path)

    @property
    def _running(self) -> _Bound:
        assert self._bound is not None, "bind() comes first"
        return self._bound


class _Bound:
    """The parts of a login that depend on the settings."""

    def __init__(self, settings: LoginSettings, given: Arguments, web: HttpClient, clock: Clock) -> None:
        options = read_options(settings, given)
        provider = Provider(options.issuer, web, options.preset.known, metadata_url=options.metadata_url)
        self.stores = open_stores(settings, None if clock is WALL else clock)
        revocations = RevocationLog(self.stores.shared, options.absolute, clock)
        self.context = LoginContext(
            options=options,
            provider=provider,
            http=web,
            client=OAuthClient(options, web),
            requests=AuthorizationRequestStore(self.stores.sessions),
            budget=LoginBudget(clock),
            sessions=LoginSessionStore(self.stores, revocations),
            revocations=revocations,
            clock=clock,
        )
        self.authenticator = SessionAuthenticator(self.context)


def _not_allowed(*methods: str) -> Response:
    return Response("Method not allowed.\n", 405, {"allow": ", ".join(methods)}, "text/plain")


async def _session(context: LoginContext, request: Request, url: PublicUrl) -> Response:
    """Serve ``/auth/session``: the user as JSON, without extending it."""
    headers = {"cache-control": "no-store"}
    ticket = only(read_cookies(request.scope), url.cookies.session)
    try:
        session = await context.sessions.read(ticket, touch=False) if ticket is not None else ENDED
    except SessionError:
        return JSONResponse({"detail": "The login cannot be verified at the moment."}, 503, headers)
    if session is ENDED:
        return JSONResponse({"authenticated": False}, headers=headers)
    user = user_of(session)
    content = {
        "authenticated": True,
        "subject": user.subject,
        "issuer": user.issuer,
        "name": user.name,
        "email": user.email,
        "roles": sorted(user.roles),
        "expires_at": user.expires_at,
        "logout": url.path(LOGOUT, session=session.handle),
    }
    return JSONResponse(content, headers=headers)
