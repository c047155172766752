"""The contract between the gateway and authenticators.

The gateway decides what needs a user, and what happens without one. Who the client is, is decided by an
`Authenticator`: those of another distribution, `fluxlit-auth`, or one of the user's own. An authenticator needs
nothing of FluxLit: it has the methods below, and what it returns has the attributes of `Identity`, `Judgement` and
`Objection`. `User`, `Verdict` and `Problem` are the plain classes of that shape.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fluxlit._internal.asgi import Application, Scope
from fluxlit._internal.peer import PEER, Peer

if TYPE_CHECKING:
    from fluxlit.sessions import SessionStore
    from fluxlit.settings import Settings

__all__ = [
    "LOGIN",
    "LOGOUT",
    "PAGE",
    "PEER",
    "RETURN_TO",
    "SESSION",
    "USER",
    "AuthContext",
    "Authenticator",
    "Described",
    "Identity",
    "Judgement",
    "Objection",
    "Peer",
    "Problem",
    "User",
    "Verdict",
]

PAGE = "fluxlit.page"
"""Key of an object in the ASGI scope: its `render(heading, detail, content=html)` returns a page in the look of the
application."""

USER = "fluxlit.user"
"""Key of the `User` in the ASGI scope that the API sees; absent for a visitor who has not logged in."""

LOGIN = "/auth/login"
"""Path below the API's mount where a browser logs in: what the sign-in element of a page leads to, by GET."""

LOGOUT = "/auth/logout"
"""Path below the API's mount where a browser logs out: what the sign-out element leads to, by GET."""

RETURN_TO = "return_to"
"""Query parameter of both: path of the page to go back to, with the public mount. Untrusted: check it."""

SESSION = "session"
"""Query parameter of `LOGOUT`: the handle of the login session, `User.session`. Only the user's own pages
know it, so a GET that names the right one is no forgery of another site; without it `LOGOUT` must insist on POST."""


class Identity(Protocol):
    """A user as an authenticator describes one, like `User`."""

    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def issuer(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str | None: ...  # noqa: D102
    @property
    def email(self) -> str | None: ...  # noqa: D102
    @property
    def roles(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def claims(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def session(self) -> str | None: ...  # noqa: D102
    @property
    def expires_at(self) -> float | None: ...  # noqa: D102
    @property
    def scheme(self) -> str: ...  # noqa: D102


class Objection(Protocol):
    """Why credentials are refused, like `Problem`."""

    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def detail(self) -> str: ...  # noqa: D102
    @property
    def challenge(self) -> str: ...  # noqa: D102


class Judgement(Protocol):
    """The result of an authenticator for a request, like `Verdict`."""

    @property
    def user(self) -> Identity | None: ...  # noqa: D102
    @property
    def problem(self) -> Objection | None: ...  # noqa: D102
    @property
    def set_cookies(self) -> tuple[bytes, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class User:
    """A user who has logged in, in API routes, in pages and in `st.user`.

    Attributes:
        subject: the user's name at the issuer, which never changes and is never given to another.
        issuer: who vouches for the user; subjects of two issuers have nothing to do with each other.
        name: for people to read.
        email: address, as the issuer states it.
        roles: what roles of pages and routes are compared with.
        claims: everything that the issuer states, as JSON values.
        session: public handle of the login session, by which it is listed and closed: a hash, not the id that the
            browser holds. `None` for machine callers.
        expires_at: seconds since the epoch at which this stops to be true, for WebSockets that are still open then.
        scheme: how the user was recognised: ``oidc``, ``bearer``, ``api-key``, ``proxy``.
    """

    subject: str
    issuer: str
    name: str | None = None
    email: str | None = None
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    session: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scheme: str = "oidc"

    @classmethod
    def of(cls, identity: Identity) -> User:
        """The same user as a plain value."""
        return cls(
            subject=identity.subject,
            issuer=identity.issuer,
            name=identity.name,
            email=identity.email,
            roles=frozenset(identity.roles),
            claims=identity.claims,
            session=identity.session,
            expires_at=identity.expires_at,
            scheme=identity.scheme,
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Credentials are there, and they are not good.

    Attributes:
        status: 401 they are wrong or expired; 403 they are right and not enough; 503 they cannot be judged now.
        detail: what is wrong, for the caller. It is sent to them: no secret and no token may be in it.
        challenge: value of WWW-Authenticate (RFC 9110 section 11.6.1); empty for none.
    """

    status: int
    detail: str
    challenge: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one authenticator for one request.

    Without user and problem there were no credentials of its kind.

    Attributes:
        user: the owner of the credentials.
        problem: what is wrong with them.
        set_cookies: whole values of Set-Cookie to add to any response: renewed, or cleared.
    """

    user: User | None = None
    problem: Problem | None = None
    set_cookies: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthContext:
    """What an authenticator gets once, before anything starts.

    Attributes:
        settings: the effective settings, among them `root_path`, `api_mount_path`, `public_base_url`, `secret_key`.
        session_store: opens the session store of this process when it is first called, and returns it.
        public_origin: scheme, host and port under which the browser of a request knows the application:
            `public_base_url` if that is set, else what a trusted proxy reports, else the address of a request that came
            over the loopback interface to a loopback name. `None` otherwise: a Host of any other client is never
            trusted.
    """

    settings: Settings
    session_store: Callable[[], SessionStore]
    public_origin: Callable[[Scope], str | None]


class Authenticator(Protocol):
    """Recognises the user of a request.

    A scope that an authenticator sees is as the browser addressed it: public scheme, Host and path, the client behind
    trusted proxies, `root_path` without the API's mount; and it holds a `Peer` under `PEER`.
    """

    def bind(self, context: AuthContext) -> None:
        """Take in the settings, once, before anything starts.

        Raises:
            Exception: what is configured cannot work. The message is shown to the operator, without a traceback.
        """

    async def start(self) -> None:
        """Begin background work; a provider that is down must not prevent it."""

    async def stop(self) -> None:
        """End background work."""

    async def authenticate(self, scope: Scope) -> Judgement:
        """Look for credentials of one kind and judge them.

        Never raises; a call counts as activity of the session.

        A WebSocket's scope is shown again while the user works over it, from time to time before `User.expires_at`:
        then cookies cannot be set any more.
        """
        ...

    def routes(self) -> Mapping[str, Application]:
        """Public routes: path below the API's mount -> application."""
        ...

    def login_location(self, scope: Scope) -> str | None:
        """Where a browser without a user is sent, with the way back inside.

        `None` if there is no login by browser.
        """
        ...

    def strips(self) -> tuple[bytes, ...]:
        """Names of headers that reach neither API nor UI."""
        ...

    def strips_cookies(self) -> tuple[bytes, ...]:
        """Names of such cookies; ``*`` at the end stands for any ending."""
        ...

    def ended(self) -> AsyncIterator[str]:
        """Handles of login sessions that ended on any replica, within a second."""
        ...


class NonInteractiveAuthenticator:
    """An authenticator that only verifies credentials in requests."""

    def bind(self, context: AuthContext) -> None:
        """Read the settings; there are none."""

    async def start(self) -> None:
        """Begin background work; there is none."""

    async def stop(self) -> None:
        """End background work; there is none."""

    def routes(self) -> Mapping[str, Application]:
        """Return no routes."""
        return {}

    def login_location(self, scope: Scope) -> str | None:
        """Return `None`: there is no login by browser."""
        return None

    def strips(self) -> tuple[bytes, ...]:
        """Return no names: the application may read every header."""
        return ()

    def strips_cookies(self) -> tuple[bytes, ...]:
        """Return no names: there are no cookies."""
        return ()

    async def ended(self) -> AsyncIterator[str]:
        """Yield nothing: there are no sessions."""
        handles: tuple[str, ...] = ()
        for handle in handles:
            yield handle


@runtime_checkable
class Described(Protocol):
    """What an authenticator may say of itself beside."""

    def challenge(self) -> str:
        """Value of WWW-Authenticate (RFC 9110 section 11.6.1)."""
        ...

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """Security schemes of the OpenAPI document; each alone is enough."""
        ...
