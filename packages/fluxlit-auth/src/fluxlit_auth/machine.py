"""What authenticators for callers without a browser have in common: no login, no routes, no sessions that end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from fluxlit_auth.errors import AuthConfigError

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]
Fields = list[tuple[bytes, bytes]]

PEER = "fluxlit.peer"
"""Key of the other end of the connection in the scopes that FluxLit's gateway shows."""


class Peer(Protocol):
    """The other end of the connection."""

    @property
    def trusted(self) -> bool:
        """It is a proxy that an operator trusts."""
        ...

    @property
    def headers(self) -> Fields:
        """Every field that it sent."""
        ...


class Passive:
    """An authenticator that only judges what it is shown."""

    def bind(self, context: object) -> None:
        """Take in the settings; there are none that matter."""

    async def start(self) -> None:
        """Begin background work; there is none."""

    async def stop(self) -> None:
        """End background work."""

    def routes(self) -> Mapping[str, Application]:
        """No routes."""
        return {}

    def login_location(self, scope: Scope) -> str | None:
        """Nobody can log in by browser."""
        return None

    def strips(self) -> tuple[bytes, ...]:
        """Nothing is kept from the application."""
        return ()

    def strips_cookies(self) -> tuple[bytes, ...]:
        """No cookies are used."""
        return ()

    async def ended(self) -> AsyncIterator[str]:
        """No session ever ends, as there are none."""
        nobody: tuple[str, ...] = ()
        for nothing in nobody:
            yield nothing


def texts(value: str | tuple[str, ...] | list[str] | set[str] | frozenset[str], what: str) -> frozenset[str]:
    """One text or several, as a set.

    Raises:
        AuthConfigError: there is none.
    """
    found = frozenset([value] if isinstance(value, str) else value)
    if not found or not all(found):
        raise AuthConfigError(f"{what} must be a text, or several, none of them empty")
    return found


def values_at(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The texts in a claim, which may be nested: ``realm_access.roles``. A claim of the whole name comes first."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return frozenset(found.split())
    return frozenset(each for each in found if isinstance(each, str)) if isinstance(found, list) else frozenset()


def field_values(headers: Fields, name: bytes) -> list[bytes]:
    """All values of a field."""
    return [value for key, value in headers if key == name]


def optional_text(value: object) -> str | None:
    """A claim that is a text, or nothing."""
    return value if isinstance(value, str) and value else None
