"""`OIDC`: login by OpenID Connect, as an authenticator of the gateway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fluxlit_auth.identity import Verdict
from fluxlit_auth.login.answers import page
from fluxlit_auth.login.attempts import Attempts
from fluxlit_auth.login.board import Board
from fluxlit_auth.login.client import Client
from fluxlit_auth.login.cookies import NAMES, Jar, only, read_cookies
from fluxlit_auth.login.keeper import NOTHING, Keeper, user_of
from fluxlit_auth.login.logins import Logins
from fluxlit_auth.login.options import Arguments, LoginSettings, Options, read_options
from fluxlit_auth.login.place import (
    BACKCHANNEL_LOGOUT,
    CALLBACK,
    LOGGED_OUT,
    LOGIN,
    LOGOUT,
    RETURN_TO,
    SESSION,
    Place,
    path_of,
)
from fluxlit_auth.login.renewal import Renewal
from fluxlit_auth.login.signing_in import SigningIn
from fluxlit_auth.login.signing_out import SigningOut
from fluxlit_auth.login.stores import WALL, Clock, Stores, open_stores, warn_about_memory
from fluxlit_auth.login.verifying import Verifier
from fluxlit_auth.provider import Provider
from fluxlit_auth.web import Web
from fluxlit_sessions import SessionError

logger = logging.getLogger("fluxlit_auth")

LISTEN_S = 0.4
"""Seconds between two looks for logins that ended on another replica."""

NO_ADDRESS = (
    "This application does not know its public address. Its operator sets FLUXLIT_PUBLIC_BASE_URL, or lets a trusted "
    "proxy tell it (FLUXLIT_TRUST_PROXY)."
)
NO_TLS = (
    "Signing in needs HTTPS. Plain HTTP is for localhost only. Behind a proxy that ends TLS the operator sets "
    "FLUXLIT_PUBLIC_BASE_URL to the https:// address."
)
PLAIN = "logins over plain HTTP: the cookies are for development on this machine only"

Handler = Callable[[Request, Place], Awaitable[Response]]


class Context(Protocol):
    """What the gateway tells an authenticator; see `fluxlit.authentication.AuthContext`."""

    @property
    def settings(self) -> Any:
        """The effective settings."""
        ...

    @property
    def public_origin(self) -> Callable[[MutableMapping[str, Any]], str | None]:
        """Finds the public scheme, host and port of a request."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a running login consists of."""

    stores: Stores
    board: Board
    logins: Logins
    keeper: Keeper
    signing_in: SigningIn
    signing_out: SigningOut


class OIDC:
    """Login by OpenID Connect, done by the gateway.

    What is given here is weaker than settings from outside (``FLUXLIT_OIDC_...``, ``oidc_...`` in the project file).

    Args:
        issuer: the provider, exactly as its metadata spell it.
        client_id: name of the application there.
        client_secret: its secret. Better in the environment than in code.
        preset: ``auth0``, ``entra``, ``github``, ``google``, ``keycloak`` or ``okta``.
        scopes: what is asked for.
        roles_claims: where roles are in the claims.
        authorization_params: further parameters of authorization requests, such as ``{"prompt": "select_account"}``.
        transport: for tests: what answers in place of the provider.
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
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Clock = WALL,
    ) -> None:
        self._given = Arguments(
            issuer, client_id, client_secret, preset, tuple(scopes), tuple(roles_claims), authorization_params or {}
        )
        self._web, self._clock = Web(transport), clock
        self._context: Context | None = None
        self._options: Options | None = None
        self._parts: Parts | None = None
        self._warned = False

    @classmethod
    def from_settings(cls) -> OIDC:
        """A login that is configured from outside alone."""
        return cls()

    # What it is, for those who look from outside.

    @property
    def issuer(self) -> str | None:
        """The provider whose metadata tell everything else; `None` before `bind`, and if it publishes none."""
        known = self._options
        return None if known is None or known.preset.known is not None else known.issuer

    def challenge(self) -> str:
        """What a caller of the API without a login is told.

        RFC 9110 section 11.6.1 wants a challenge with every 401. There is no registered scheme for cookies, and a
        caller must not take this for an invitation to send tokens, so this has a name of its own, which browsers and
        clients pass over. It says where a person logs in.
        """
        return f'Cookie realm="login", login="{self._login_path}"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """The scheme for the OpenAPI document: the cookie. No script can read or set it; the login does."""
        return {
            "OIDC": {
                "type": "apiKey",
                "in": "cookie",
                "name": self._public_jar.session,
                "description": f"The cookie of a login. Open {self._login_path} in this browser; nothing is entered "
                f"here.",
            }
        }

    # The life of an authenticator.

    def bind(self, context: Context) -> None:
        """Takes in the settings.

        Raises:
            AuthConfigError: they cannot work.
        """
        options = read_options(context.settings, self._given)
        provider = Provider(options.issuer, self._web, options.preset.known)
        self._context, self._options = context, options
        self._parts = self._put_together(options, provider, context.settings)

    def _put_together(self, options: Options, provider: Provider, settings: LoginSettings) -> Parts:
        clock = self._clock
        stores = open_stores(settings, None if clock is WALL else clock)
        board = Board(stores.board, options.absolute, clock)
        logins = Logins(stores, board)
        client = Client(options, self._web)
        verifier = Verifier(options, provider, self._web, clock)
        return Parts(
            stores,
            board,
            logins,
            Keeper(logins, Renewal(logins, provider, client, verifier, clock), clock),
            SigningIn(provider, client, verifier, Attempts(stores.logins), logins),
            SigningOut(options, provider, client, logins, board, clock),
        )

    async def start(self) -> None:
        """Says what is missing for production. The provider is asked by the first login."""
        assert self._context is not None
        warn_about_memory(self._context.settings)

    async def stop(self) -> None:
        """Closes connections to the provider and to the store."""
        await self._web.close()
        if self._parts is not None:
            await self._parts.stores.close()

    # Requests.

    async def authenticate(self, scope: Scope) -> Verdict:
        """Whose session cookie a request carries."""
        place = self._place(scope)
        if place is None or not place.safe:
            return NOTHING
        ticket = only(read_cookies(scope), place.jar.session)
        return NOTHING if ticket is None else await self._running.keeper.judge(ticket, place.jar)

    def login_location(self, scope: Scope) -> str | None:
        """The login, with the way back."""
        place = Place("", scope.get("root_path", ""), self._api)
        return place.path(LOGIN, **{RETURN_TO: path_of(scope)})

    def strips(self) -> tuple[bytes, ...]:
        """No field of a request is for the login alone."""
        return ()

    def strips_cookies(self) -> tuple[bytes, ...]:
        """The cookies of the login."""
        return tuple(name.encode() for name in NAMES)

    async def ended(self) -> AsyncIterator[str]:
        """Handles of logins that ended on any replica."""
        parts, known = self._running, set[str]()
        first = True
        while True:
            try:
                announced = await parts.board.announced()
            except SessionError:
                announced = []  # the store says so itself; sessions are judged by it again at every request
            fresh = set(announced) - known
            parts.keeper.forget_all(fresh)
            for handle in () if first else fresh:
                yield handle
            known = set(announced) if announced else known
            first = False
            await asyncio.sleep(LISTEN_S)

    # Routes.

    def routes(self) -> Mapping[str, ASGIApp]:
        """Path below the API -> what answers there."""
        parts = self._running
        return {
            LOGIN: self._route(parts.signing_in.begin, "GET"),
            CALLBACK: self._route(parts.signing_in.finish, "GET"),
            LOGOUT: self._route(parts.signing_out.leave, "GET", "POST"),
            LOGGED_OUT: self._route(parts.signing_out.goodbye, "GET"),
            SESSION: self._route(self._session, "GET"),
            BACKCHANNEL_LOGOUT: self._backchannel(),
        }

    def _route(self, handler: Handler, *methods: str) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            await (await self._answer(handler, request, methods))(scope, receive, send)

        return serve

    async def _answer(self, handler: Handler, request: Request, methods: tuple[str, ...]) -> Response:
        if request.method not in methods:
            return Response("Method not allowed.\n", 405, {"allow": ", ".join(methods)}, "text/plain")
        place = self._place(request.scope)
        if place is None or not place.safe:
            reason = NO_ADDRESS if place is None else NO_TLS
            logger.error("login refused: %s", reason)
            return page(403, "Signing in is not possible here", reason)
        if not place.jar.secure and not self._warned:
            self._warned = True
            logger.warning(PLAIN)
        return await handler(request, place)

    def _backchannel(self) -> ASGIApp:
        parts = self._running

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            if request.method == "POST":
                response = await parts.signing_out.obey(request)
            else:
                response = Response("Method not allowed.\n", 405, {"allow": "POST"}, "text/plain")
            await response(scope, receive, send)

        return serve

    async def _session(self, request: Request, place: Place) -> Response:
        """Answers ``/auth/session``: who is logged in. Asking does not keep the session alive."""
        headers = {"cache-control": "no-store"}
        ticket = only(read_cookies(request.scope), place.jar.session)
        try:
            opened = await self._running.logins.read(ticket, touch=False) if ticket is not None else None
        except SessionError:
            return JSONResponse({"detail": "The login cannot be checked at the moment."}, 503, headers)
        if opened is None:
            return JSONResponse({"authenticated": False}, headers=headers)
        user = user_of(opened)
        content = {
            "authenticated": True,
            "subject": user.subject,
            "issuer": user.issuer,
            "name": user.name,
            "email": user.email,
            "roles": sorted(user.roles),
            "expires_at": user.expires_at,
            "logout": place.path(LOGOUT, session=opened.handle),
        }
        return JSONResponse(content, headers=headers)

    # Parts.

    def _place(self, scope: Scope) -> Place | None:
        assert self._context is not None
        origin = self._context.public_origin(scope)
        return None if origin is None else Place(origin, scope.get("root_path", ""), self._api)

    @property
    def _login_path(self) -> str:
        return Place("", self._mount, self._api).path(LOGIN)

    @property
    def _public_jar(self) -> Jar:
        """The cookies under the address that is configured; where none is, as behind TLS."""
        assert self._context is not None
        parts = urlsplit(self._context.settings.public_base_url or "https://localhost")
        return Jar.of(f"{parts.scheme}://{parts.netloc}", self._mount)

    @property
    def _mount(self) -> str:
        assert self._context is not None
        return str(self._context.settings.root_path)

    @property
    def _api(self) -> str:
        assert self._context is not None
        return str(self._context.settings.api_mount_path)

    @property
    def _running(self) -> Parts:
        assert self._parts is not None, "bind() comes first"
        return self._parts
