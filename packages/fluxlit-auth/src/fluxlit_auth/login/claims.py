"""From claims to a user: which roles somebody has, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_TEXT = 255


def roles(claims: Mapping[str, Any], paths: tuple[str, ...]) -> tuple[str, ...]:
    """The roles in claims.

    Args:
        claims: of the ID token and the userinfo endpoint.
        paths: where roles are: names, with dots between nested ones. A name with dots of its own, as the URLs of
            Auth0 have, is found as well.

    Returns:
        Texts in lists, a single text, or the keys of an object (as Zitadel writes roles); sorted.
    """
    return tuple(sorted({role for path in paths for found in _find(claims, path) for role in _roles(found)}))


def first_text(claims: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these claims that is a text with something in it."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:MAX_TEXT]
    return None


def email(claims: Mapping[str, Any]) -> str | None:
    """The address, unless the provider says that nobody has verified that it is the user's."""
    return None if claims.get("email_verified") in (False, "false") else first_text(claims, ("email",))


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
