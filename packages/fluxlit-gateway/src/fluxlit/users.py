"""Asking for the current user, in API routes and in pages alike.

```python
@app.api.get("/me")
def me(user: CurrentUser): ...

@app.page("/")
def home(st, user: CurrentUser): ...

@app.api.delete("/orders", dependencies=[Depends(require_roles("admin"))])
```

FastAPI and FluxLit's pages fill parameters by different machines. A `Requirement` serves both: FastAPI calls it with
the connection, a page with the user of its run.
"""

# No postponed annotations: FastAPI reads those of `Requirement.__call__` as they stand.

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import fastapi
from fastapi import HTTPException
from fastapi.requests import HTTPConnection

from fluxlit._internal.asgi import Scope
from fluxlit.auth.contract import USER, User
from fluxlit.observability.security_log import NO_CREDENTIALS, NO_ROLE, log_refusal

NO_USER = "This needs a user. Please sign in."


class Denied(HTTPException):
    """Access is denied: 401 without a user, 403 without a required role.

    In the API it is a response like any `HTTPException`; a page shows its message in place of what it would have shown.
    """


@dataclass(frozen=True)
class Requirement:
    """Something that a user must be; a dependency for API routes and pages.

    Attributes:
        roles: of which the user needs one; empty if any user will do.
    """

    roles: frozenset[str] = frozenset()

    def check(self, user: User | None, scope: Scope | None = None) -> User:
        """Give the user back.

        Args:
            user: the user, `None` for none.
            scope: the request, where it is known.

        Raises:
            Denied: there is none, or not with such a role.
        """
        if user is not None and self.met_by(user):
            return user
        client = _provider.address() if scope is None and _provider is not None else ""
        if user is None:
            log_refusal(401, NO_CREDENTIALS, None, scope, client=client)
            raise Denied(401, NO_USER)
        log_refusal(403, NO_ROLE, user, scope, client=client)
        raise Denied(403, f"This is for users with the role {' or '.join(sorted(self.roles))}.")

    def met_by(self, user: User | None) -> bool:
        """Whether this user meets it; nothing is logged."""
        return user is not None and (not self.roles or bool(self.roles & user.roles))

    def __call__(self, connection: HTTPConnection) -> User:
        """Check the user of a request, as FastAPI asks for it."""
        return self.check(connection.scope.get(USER), connection.scope)


@dataclass(frozen=True)
class Invitation:
    """The user if there is one; a dependency likewise."""

    def check(self, user: User | None) -> User | None:
        """Give back what is given."""
        return user

    def __call__(self, connection: HTTPConnection) -> User | None:
        """The user of a request, as FastAPI asks for it."""
        user: User | None = connection.scope.get(USER)
        return user


require_login = Requirement()
"""Dependency: the user, who must be logged in."""


def require_roles(*roles: str) -> Requirement:
    """Dependency: the user, who must have one of these roles.

    Two of these dependencies together require both.

    Args:
        *roles: names of roles.

    Raises:
        ValueError: there is none.
    """
    if not roles:
        raise ValueError("require_roles needs a role; for any user there is require_login.")
    if not all(isinstance(role, str) for role in roles):
        raise TypeError("require_roles takes names: require_roles('admin', 'editor').")
    return Requirement(frozenset(roles))


CurrentUser = Annotated[User, fastapi.Depends(require_login)]
"""Annotation: the user, in API routes and in pages. Without one an API answers 401 and a page asks to sign in."""

OptionalUser = Annotated[User | None, fastapi.Depends(Invitation())]
"""Annotation: the user, `None` for a visitor who has not logged in."""


@dataclass(frozen=True)
class CurrentUserProvider:
    """What a process that shows pages knows of its visitors.

    Attributes:
        user: gives the user of the run that calls it.
        mount: public path of the API, below which the login is.
        address: gives the address of the visitor of the run that calls it, empty if unknown.
    """

    user: Callable[[], User | None]
    mount: str
    address: Callable[[], str] = str


_provider: CurrentUserProvider | None = None


def configure(provider: CurrentUserProvider | None) -> None:
    """Say how this process learns who its visitors are."""
    global _provider  # noqa: PLW0603  # one per process, as Streamlit's runtime is
    _provider = provider


def provider() -> CurrentUserProvider | None:
    """The current-user provider of this process, if any.

    `None` if the process shows no pages, or the application has no login.
    """
    return _provider


def current_user() -> User | None:
    """The user of the running page: for scripts, which have no parameters.

    `None` for a visitor who has not logged in, and outside a run of a page.
    """
    return _provider.user() if _provider is not None else None
