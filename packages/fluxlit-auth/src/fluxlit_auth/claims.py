"""Readers of claims: strings, roles, email addresses. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fluxlit_auth.errors import AuthConfigError, TokenRefused

MAX_TEXT = 255

MAX_DATE = 253_402_300_799
"""The last second of the year 9999, the end of `datetime`."""

MAX_DIGITS = 10
MAX_SECONDS = 1e9


def strings(value: str | tuple[str, ...] | list[str] | set[str] | frozenset[str], what: str) -> frozenset[str]:
    """Return one or several configured values of a claim as a set.

    Raises:
        AuthConfigError: there is none, or one is empty.
    """
    found = frozenset([value] if isinstance(value, str) else value)
    if not found or not all(found):
        raise AuthConfigError(f"{what} must be a non-empty string, or several")
    return found


def printable(text: str) -> str:
    """Replace the control characters of text from another party."""
    return "".join(character if character.isprintable() else "?" for character in text)


def numeric_date(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim in seconds since the epoch; `None` if it is absent.

    RFC 7519 section 2.

    Raises:
        TokenRefused: it is no number, or no date of the calendar.
    """
    value = claims.get(name)
    if value is None:
        return None
    # Compared before conversion: float(10**400) raises OverflowError. NaN fails every comparison.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_DATE <= value <= MAX_DATE:
        raise TokenRefused(name, f"the claim {name} is not a date")
    return float(value)


def duration(value: object) -> float | None:
    """Return a number of seconds, or `None` if it is not plausible.

    Some providers send a string.
    """
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MAX_SECONDS:
        return None
    return float(value)


def non_empty_string(value: object) -> str | None:
    """Return a claim if it is a non-empty string."""
    return value if isinstance(value, str) and value else None


def first_string(claims: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first of these claims that is a non-blank string."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:MAX_TEXT]
    return None


def email(claims: Mapping[str, Any]) -> str | None:
    """Return the email address, unless the provider has not verified it."""
    return None if claims.get("email_verified") in (False, "false") else first_string(claims, ("email",))


def strings_at(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """Return the strings of a claim of an access token.

    Args:
        claims: of the token.
        path: name of the claim; a nested one is written with dots, ``realm_access.roles``. A claim with the whole
            name takes precedence.

    Returns:
        The strings of a list, or the words of a string (as in ``scope``).
    """
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return frozenset(found.split())
    return frozenset(each for each in found if isinstance(each, str)) if isinstance(found, list) else frozenset()


def roles(claims: Mapping[str, Any], paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return the roles of a user, sorted.

    Args:
        claims: of the ID token and UserInfo.
        paths: names of the claims that hold roles, with dots for nested ones. A name that contains dots itself, such
            as the URLs of Auth0, is found as well.

    Returns:
        The strings of lists, single strings, and the keys of objects (Zitadel's form).
    """
    return tuple(sorted({role for path in paths for found in _find(claims, path) for role in _roles(found)}))


def _find(claims: Any, path: str) -> Iterator[Any]:
    if not isinstance(claims, Mapping):
        return
    if path in claims:
        yield claims[path]
        return
    for name, inner in claims.items():
        if path.startswith(f"{name}."):
            yield from _find(inner, path[len(name) + 1 :])


def _roles(found: Any) -> list[str]:
    if isinstance(found, str):
        return [found] if found else []
    if isinstance(found, (list, Mapping)):
        return [role for role in found if isinstance(role, str) and role]
    return []
