"""Headers of a request, and strings of the configuration."""

from __future__ import annotations

from fluxlit_auth.errors import AuthConfigError

Headers = list[tuple[bytes, bytes]]


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
