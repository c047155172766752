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

from fluxlit.auth.contract import USER, User

NO_USER = "This needs a user. Please sign in."


class Denied(HTTPException):
    """The user may not do this: 401 without a user, 403 without a role that it takes.

    In the API it is an answer as any `HTTPException`; a page shows its message in place of what it would have shown.
    """


@dataclass(frozen=True)
class Requirement:
    """Something that a user must be; a dependency for API routes and pages.

    Attributes:
        roles: of which the user needs one; empty if any user will do.
    """

    roles: frozenset[str] = frozenset()

    def check(self, user: User | None) -> User:
        """Give the user back.

        Raises:
            Denied: there is none, or not with such a role.
        """
        if user is None:
            raise Denied(401, NO_USER)
        if self.roles and not self.roles & user.roles:
            raise Denied(403, f"This is for users with the role {' or '.join(sorted(self.roles))}.")
        return user

    def __call__(self, connection: HTTPConnection) -> User:
        """Check the user of a request, as FastAPI asks for it."""
        return self.check(connection.scope.get(USER))


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
"""Dependency: somebody must have logged in; gives the user."""


def require_roles(*roles: str) -> Requirement:
    """Dependency: the user must have one of these roles; gives the user. Two of them together ask for both.

    Args:
        *roles: names of roles.

    Raises:
        ValueError: there is none.
    """
    if not roles:
        raise ValueError("require_roles needs a role; for any user there is require_login.")
    return Requirement(frozenset(roles))


CurrentUser = Annotated[User, fastapi.Depends(require_login)]
"""Annotation: the user, in API routes and in pages. Without one an API answers 401 and a page asks to sign in."""

OptionalUser = Annotated[User | None, fastapi.Depends(Invitation())]
"""Annotation: the user, `None` for a visitor who has not logged in."""


@dataclass(frozen=True)
class Desk:
    """What a process that shows pages knows of its visitors.

    Attributes:
        user: gives the user of the run that calls it.
        mount: public path of the API, below which the login is.
    """

    user: Callable[[], User | None]
    mount: str


_desk: Desk | None = None


def configure(desk: Desk | None) -> None:
    """Say how this process learns who its visitors are."""
    global _desk  # noqa: PLW0603  # one per process, as Streamlit's runtime is
    _desk = desk


def desk() -> Desk | None:
    """What this process knows; `None` where it shows no pages, or the application has no login."""
    return _desk


def current_user() -> User | None:
    """The user of the running page: for scripts, which have no parameters.

    `None` for a visitor who has not logged in, and outside a run of a page.
    """
    return _desk.user() if _desk is not None else None
