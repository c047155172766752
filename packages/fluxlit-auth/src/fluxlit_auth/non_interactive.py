"""Base of authenticators without login, routes and sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from starlette.types import ASGIApp, Scope

from fluxlit.auth.contract import AuthContext
from fluxlit_auth.errors import AuthConfigError

Headers = list[tuple[bytes, bytes]]


class NonInteractiveAuthenticator:
    """An authenticator that only verifies credentials in requests."""

    def bind(self, context: AuthContext) -> None:
        """Read the settings; there are none."""

    async def start(self) -> None:
        """Begin background work; there is none."""

    async def stop(self) -> None:
        """End background work; there is none."""

    def routes(self) -> Mapping[str, ASGIApp]:
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


def strings(value: str | tuple[str, ...] | list[str] | set[str] | frozenset[str], what: str) -> frozenset[str]:
    """Return one or several strings of the configuration as a set.

    Raises:
        AuthConfigError: there is none, or one is empty.
    """
    found = frozenset([value] if isinstance(value, str) else value)
    if not found or not all(found):
        raise AuthConfigError(f"{what} must be a non-empty string, or several")
    return found


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Return all values of a header."""
    return [value for key, value in headers if key == name]
