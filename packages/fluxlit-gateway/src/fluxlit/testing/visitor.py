"""A user in a test without a login: the authenticator and current user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from fluxlit import sessions, users
from fluxlit._internal.asgi import Message, Receive, Scope, Send
from fluxlit.app import FluxLit
from fluxlit.auth.contract import AuthContext, Authenticator, NonInteractiveAuthenticator, User, Verdict
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.errors import FluxLitError
from fluxlit.gateway import OriginPolicy, PublicOrigin
from fluxlit.server.authentication import rules_of
from fluxlit.settings import Settings
from fluxlit.users import CurrentUserProvider

SITE = b"sec-fetch-site"

NO_LOGIN = "A test has a user, but the application has no login that could know one. Give it one: FluxLit(auth=...)."


class FixedUserAuthenticator(NonInteractiveAuthenticator):
    """An authenticator with one fixed user, or none.

    Args:
        user: who sends every request.
    """

    def __init__(self, user: User | None) -> None:
        self._verdict = Verdict(user)

    async def authenticate(self, scope: Scope) -> Verdict:
        """The same for every request."""
        return self._verdict


def auth_middleware_for(app: FluxLit, settings: Settings, user: User | None) -> AuthMiddleware | None:
    """The authentication middleware with a fixed user; `None` without a login.

    The application's own authenticators are asked too, as far as these settings are enough for them: API keys and
    bearer tokens are checked as ever.

    Raises:
        FluxLitError: there is a user, and no login.
    """
    if not app.authenticators:
        if user is not None:
            raise FluxLitError(NO_LOGIN)
        return None
    context = AuthContext(settings, sessions.session_store, PublicOrigin.of(settings.public_base_url))
    return AuthMiddleware(
        [FixedUserAuthenticator(user), *_bound(app.authenticators, context)],
        rules_of(app, settings),
        origins=OriginPolicy.of(settings.allowed_origins, settings.public_base_url),
        api=settings.api_mount_path,
    )


class SameOriginMiddleware:
    """Marks every request as same-origin, as a browser does for own pages.

    Args:
        application: what answers.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request; one with Sec-Fetch-Site is left as it is."""
        headers = scope["headers"]
        if all(name.lower() != SITE for name, _ in headers):
            scope = {**scope, "headers": [*headers, (SITE, b"same-origin")]}

        async def complete(message: Message) -> None:
            # A server knows what a close without a code means (ASGI, "Close - send event"); httpx-ws asks for it.
            await send({"code": 1000, **message} if message["type"] == "websocket.close" else message)

        await self._application(scope, receive, complete)


@contextlib.contextmanager
def visited(app: FluxLit, settings: Settings, user: User | None) -> Iterator[None]:
    """Set the current user for `current_user()` and the sign-in elements."""
    before = users.provider()
    users.configure(provider_for(app, settings, user))
    try:
        yield
    finally:
        users.configure(before)


def provider_for(app: FluxLit, settings: Settings, user: User | None) -> CurrentUserProvider | None:
    """The current-user provider of this user; `None` without a login."""
    return (
        CurrentUserProvider(lambda: user, settings.root_path + settings.api_mount_path) if app.authenticators else None
    )


def _bound(authenticators: Sequence[Authenticator], context: AuthContext) -> Iterator[Authenticator]:
    for each in authenticators:
        try:
            each.bind(context)
        except Exception:  # noqa: BLE001, S112  # a provider's address is in the environment, and tests go without
            continue
        yield each
