"""Authentication middleware around the API and the UI.

It asks the authenticators for the user of a request. `access_policy` decides what needs a user, `csrf` whether a call
comes from the application's own pages, `credentials` what is removed from a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urlencode

from fluxlit._internal.asgi import Application, Header, Message, Receive, Scope, Send, response_headers
from fluxlit._internal.cancellation import cancel
from fluxlit._internal.websocket_tunnel import TUNNEL
from fluxlit.auth.access_policy import DELIBERATE, AccessPolicy, AccessRule, is_navigation, is_probe
from fluxlit.auth.contract import LOGOUT, PEER, SESSION, USER, Authenticator, Described, Objection, Peer, User
from fluxlit.auth.credentials import Secrets
from fluxlit.auth.csrf import MISSING, is_proven
from fluxlit.auth.live_connections import Connection, Connections
from fluxlit.auth.refusals import Refusal, to_login
from fluxlit.auth.user_headers import RUN_FIELD, fact_fields, user_fields
from fluxlit.gateway.origin_policy import OriginPolicy
from fluxlit.gateway.routes import Route, RoutedRequest
from fluxlit.observability.security_log import BAD_CREDENTIALS, NO_CREDENTIALS, NO_CSRF_TOKEN, UNAVAILABLE, log_refusal
from fluxlit.observability.security_log import NO_ROLE as NO_ROLE_FOR_IT

logger = logging.getLogger("fluxlit.login")

AGAIN_S = 1.0
"""Seconds before the revocation listener of an authenticator is restarted."""

NO_USER = "Authentication required: log in, or send credentials."
NO_ROLE = "You are signed in{who}. Your account lacks the required role."

NO_OTHERS = OriginPolicy(frozenset())

PRIVATE: Header = (b"cache-control", b"private, no-store")

VISITOR = b"x-fluxlit-visitor"
"""Header of responses to the front end's probes, by which an open tab sees that its user has gone."""


@dataclass(frozen=True, slots=True)
class AuthResult:
    """The result of all authenticators for a request.

    Attributes:
        user: who sends it.
        problem: what is wrong with its credentials, if no others are good.
        cookies: values of Set-Cookie for the response.
        deliberate: the caller has proved who it is on purpose; a browser would not have done so by itself.
    """

    user: User | None = None
    problem: Objection | None = None
    cookies: tuple[bytes, ...] = ()
    deliberate: bool = False


class AuthMiddleware:
    """Protects the API and the UI.

    Args:
        authenticators: asked in this order; the first that knows the user decides.
        rules: what needs a user.
        origins: what, beside the application itself, may open WebSockets with the cookies of a user.
        callers: what may send other requests with them; allowing WebSockets does not allow these.
        api: where the API is mounted.
        documents: paths of the API that people open in a browser: its documentation.
        away: the UI runs in another container: it gets the user in single facts too, and its calls of the API come
            over the public port.

    Attributes:
        rules: may be replaced while the gateway runs.
        connections: open WebSockets, and responses that are sent in parts.
    """

    def __init__(
        self,
        authenticators: Sequence[Authenticator],
        rules: AccessPolicy,
        *,
        origins: OriginPolicy,
        callers: OriginPolicy = NO_OTHERS,
        api: str,
        documents: frozenset[str] = frozenset(),
        away: bool = False,
    ) -> None:
        self.rules = rules
        self._authenticators = tuple(authenticators)
        self._origins, self._callers = origins, callers
        self._documents = documents
        self._away = away
        self._logout = api + LOGOUT
        self._routes = {api + path: own for each in self._authenticators for path, own in each.routes().items()}
        self._challenges = tuple(each.challenge() for each in self._authenticators if isinstance(each, Described))
        self._secrets = Secrets.of(
            [name for each in self._authenticators for name in each.strips()],
            [name for each in self._authenticators for name in each.strips_cookies()],
        )
        self.connections = Connections(self._recheck)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the authenticators, and close connections when their login ends."""
        async with contextlib.AsyncExitStack() as stack:
            for each in self._authenticators:
                await each.start()
                stack.push_async_callback(each.stop)
            tasks = [asyncio.create_task(self.connections.watch())]
            tasks += [asyncio.create_task(self._listen(each)) for each in self._authenticators]
            try:
                yield
            finally:
                await cancel(tasks)

    async def _listen(self, authenticator: Authenticator) -> None:
        while True:
            try:
                async for session in authenticator.ended():
                    self.connections.end(session)
                return
            except Exception:
                logger.exception("Session revocation listener failed; retrying in %g s", AGAIN_S)
                await asyncio.sleep(AGAIN_S)

    async def admit(self, application: Application, routed: RoutedRequest) -> None:
        """Serve a request that came over the public port."""
        shown = routed.shown
        own = self._routes.get(routed.path)
        if own is not None and routed.scope["type"] == "http":
            await own(shown, routed.receive, routed.send)
            return
        judged = await self._judge(shown)
        need = self.rules.need(routed.route, routed.scope, routed.path)
        if (
            judged.user is not None
            and not judged.deliberate
            and not is_proven(routed.scope, routed.peer, self._may_send(routed.scope))
        ):
            if need.user:
                log_refusal(403, NO_CSRF_TOKEN, judged.user, routed.scope)
                await self._refuse(routed, Refusal(403, MISSING, (), judged.cookies))
                return
            judged = AuthResult(cookies=judged.cookies)  # A public path does not learn who was made to ask for it.
        if refusal := self._objection(judged, need, routed):
            _log(refusal, judged, routed.scope)
            await self._turn_away(routed, shown, refusal)
        else:
            await self._pass(application, routed, shown, judged, need)

    async def admit_page(self, application: Application, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Serve a call that a page sends to the API over the private socket.

        Args:
            application: the API.
            scope: the call, with the public mount.
            receive: ASGI's.
            send: ASGI's.
            path: decoded path below the mount.
        """
        peer = Peer("", trusted=False, headers=scope["headers"])
        mount = scope["path"].removesuffix(path)
        routed = RoutedRequest(Route.API, scope, peer, mount, path, quote(path).encode("ascii"), receive, send)
        judged = self._by_run(routed.peer) or await self._judge(routed.shown)
        if refusal := self._objection(judged, self.rules.need(Route.API, scope, path), routed):
            _log(refusal, judged, scope)
            await refusal.to_program(scope, send)
            return
        headers = [field for field in scope["headers"] if field[0] != RUN_FIELD]
        await application(self._for_api({**scope, "headers": headers}, judged.user), receive, send)

    def _may_send(self, scope: Scope) -> OriginPolicy:
        return self._origins if scope["type"] == "websocket" else self._callers

    # Authentication.

    async def _judge(self, shown: Scope) -> AuthResult:
        if self._away and (page := self._by_run(shown[PEER])):
            return page
        problem: Objection | None = None
        cookies: tuple[bytes, ...] = ()
        for each in self._authenticators:
            verdict = await each.authenticate(shown)
            cookies += tuple(verdict.set_cookies)
            if verdict.user is not None:
                user = User.of(verdict.user)
                return AuthResult(user, None, cookies, user.scheme in DELIBERATE)
            problem = problem or verdict.problem
        return AuthResult(None, problem, cookies)

    def _by_run(self, peer: Peer) -> AuthResult | None:
        """The user of the page that sends a call."""
        handle = next((value for name, value in peer.headers if name == RUN_FIELD), None)
        user = self.connections.find(handle.decode("latin-1")) if handle else None
        return AuthResult(user, deliberate=True) if user is not None else None

    async def _recheck(self, shown: Scope) -> tuple[User | None, bool]:
        judged = await self._judge(shown)
        return judged.user, judged.problem is None or judged.problem.status != 503

    # Refusals.

    def _objection(self, judged: AuthResult, need: AccessRule, routed: RoutedRequest) -> Refusal | None:
        if not need.user:
            return None
        if judged.user is None:
            if judged.problem is None:
                return Refusal(401, NO_USER, self._challenges, judged.cookies)
            own = (judged.problem.challenge,) if judged.problem.challenge else ()
            challenges = own or (self._challenges if judged.problem.status == 401 else ())
            ways = (("", "Try again"),) if judged.problem.status == 503 else ()
            return Refusal(judged.problem.status, judged.problem.detail, challenges, judged.cookies, ways)
        if need.roles and not need.roles & judged.user.roles:
            who = f" as {judged.user.name}" if judged.user.name else ""
            return Refusal(403, NO_ROLE.format(who=who), (), judged.cookies, self._ways_on(judged.user, routed))
        return None

    def _ways_on(self, user: User, routed: RoutedRequest) -> tuple[tuple[str, str], ...]:
        """Links for a user without access: the start page, and sign out."""
        start = ((f"{routed.mount}/", "Start page"),) if routed.path != "/" else ()
        if user.session is None or self._logout not in self._routes:
            return start
        return (*start, (f"{routed.mount}{self._logout}?{urlencode({SESSION: user.session})}", "Sign out"))

    async def _turn_away(self, routed: RoutedRequest, shown: Scope, refusal: Refusal) -> None:
        for_people = routed.route is Route.UI or routed.path in self._documents
        could_help = refusal.status == 401 and for_people and is_navigation(routed.scope, routed.path)
        location = self._login(shown) if could_help else None
        if location:
            await to_login(routed.scope, routed.send, location, refusal.cookies)
        else:
            await self._refuse(routed, refusal)

    async def _refuse(self, routed: RoutedRequest, refusal: Refusal) -> None:
        if routed.route is Route.UI and is_navigation(routed.scope, routed.path):
            await refusal.to_browser(routed.scope, routed.send)
        elif routed.route is Route.UI and is_probe(routed.path):
            await refusal.to_front_end(routed.scope, routed.send)
        else:
            await refusal.to_program(routed.scope, routed.send)

    def _login(self, shown: Scope) -> str | None:
        return next((place for each in self._authenticators if (place := each.login_location(shown))), None)

    # Access.

    async def _pass(
        self, application: Application, routed: RoutedRequest, shown: Scope, judged: AuthResult, need: AccessRule
    ) -> None:
        user = judged.user
        send: Send = routed.send
        fields: list[Header] = [(b"set-cookie", cookie) for cookie in judged.cookies]
        if user is not None and routed.route is Route.UI and is_probe(routed.path):
            fields.append((VISITOR, user_mark(user)))
        # A path may be public and its response still be for this user alone: media, for instance.
        private = bool(judged.cookies) or (user is not None and not need.shared)
        if fields or private:
            send = ResponseHeaders(send, fields, private=private)
        scope = routed.scope
        if user is None:
            await application(self._for(routed.route, scope, None, ""), routed.receive, send)
        elif scope["type"] == "websocket":
            await self._pass_socket(application, routed, Connection(user, shown, scope.get(TUNNEL)), send)
        elif may_outlive(user):
            await self._pass_call(application, routed, Connection(user, shown), send)
        else:
            await application(self._for(routed.route, scope, user, ""), routed.receive, send)

    async def _pass_socket(
        self, application: Application, routed: RoutedRequest, connection: Connection, send: Send
    ) -> None:
        self.connections.add(connection)
        try:
            scope = self._for(routed.route, routed.scope, connection.user, connection.handle)
            await connection.serve(application, scope, routed.receive, send)
        finally:
            self.connections.remove(connection)

    async def _pass_call(
        self, application: Application, routed: RoutedRequest, connection: Connection, send: Send
    ) -> None:
        """Serve an HTTP request; a response in parts ends with the login."""

        async def watching(message: Message) -> None:
            if message.get("more_body") or has_no_length(message):
                self.connections.add(connection)
            await send(message)

        scope = self._for(routed.route, routed.scope, connection.user, "")
        try:
            await connection.stream(application, scope, routed.receive, watching)
        finally:
            self.connections.remove(connection)

    def _for(self, route: Route, scope: Scope, user: User | None, handle: str) -> Scope:
        if route is Route.API:
            return self._for_api(scope, user)
        headers = self._secrets.without(scope["headers"], authorization=False)
        if user is not None:
            headers += user_fields(user)
            if self._away:
                headers += fact_fields(user)
            if handle:
                headers.append((RUN_FIELD, handle.encode("ascii")))
        return {**scope, "headers": headers}

    def _for_api(self, scope: Scope, user: User | None) -> Scope:
        headers = self._secrets.without(scope["headers"], authorization=True)
        return {**scope, "headers": headers} | ({USER: user} if user is not None else {})


def _log(refusal: Refusal, judged: AuthResult, scope: Scope) -> None:
    if judged.problem is not None:
        reason = UNAVAILABLE if refusal.status == 503 else BAD_CREDENTIALS
    else:
        reason = NO_CREDENTIALS if judged.user is None else NO_ROLE_FOR_IT
    log_refusal(refusal.status, reason, judged.user, scope)


def user_mark(user: User) -> bytes:
    """Opaque identifier of a user."""
    return sha256(f"{user.issuer}\0{user.subject}".encode()).hexdigest()[:16].encode("ascii")


def may_outlive(user: User) -> bool:
    """Whether a login can end while a response is being sent."""
    return user.session is not None or user.expires_at is not None


def has_no_length(message: Message) -> bool:
    """Whether a response of unknown length begins: events, lines of JSON."""
    return message["type"] == "http.response.start" and all(
        name.lower() != b"content-length" for name, _ in response_headers(message)
    )


class ResponseHeaders:
    """A `send` that adds headers to a response.

    A response to a user is private unless the application sets Cache-Control (ASVS 5.0, 14.3.2).
    """

    __slots__ = ("_fields", "_private", "_send")

    def __init__(self, send: Send, fields: list[Header], *, private: bool) -> None:
        self._send = send
        self._fields = fields
        self._private = private

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        kind = message["type"]
        if kind in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            headers = [*response_headers(message), *self._fields]
            if (
                self._private
                and kind == "http.response.start"
                and all(name.lower() != b"cache-control" for name, _ in headers)
            ):
                headers.append(PRIVATE)
            message = {**message, "headers": headers}
        return self._send(message)
