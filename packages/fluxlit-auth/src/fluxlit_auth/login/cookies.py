"""The cookies of a login: names, reading, setting.

With TLS every name begins with ``__Host-``: browsers then accept the cookie only over TLS, for this one host and path
``/``, and no sibling domain can replace it (RFC 6265bis section 4.1.3.2, ASVS 3.3.3). Over plain HTTP, which is for
development on this machine only, names begin with ``fluxlit-dev-`` and contain the port, because cookies are not
separated by port. A cookie of one kind is never accepted in place of the other.

All cookies have path ``/``, so applications under several mounts of one host see each other's; the mount is part of
the name, so that they do not overwrite each other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAMES = ("__Host-fluxlit-*", "fluxlit-dev-*")
"""Patterns of the names that belong to the login."""

MAX_ATTEMPTS = 8
"""Logins that one browser can have pending at once, in as many tabs; mod_auth_openidc allows 7."""

MAX_ATTEMPT_BYTES = 4096
"""Size of all pending logins of a browser: servers limit the whole Cookie header, nginx to 8 KiB by default."""

# One pass over any header: a pair begins at the start or behind a semicolon.
_PAIR = re.compile(r"(?:^|;)[ \t]*((?:__Host-fluxlit-|fluxlit-dev-)[A-Za-z0-9-]*)=([A-Za-z0-9._-]+)[ \t]*(?=;|\Z)")
_MAX_VALUE = 4096
_ATTEMPT = re.compile(r"[0-9a-f]{16}\Z")


@dataclass(frozen=True, slots=True)
class CookieNames:
    """The names of the cookies of one application.

    Attributes:
        prefix: beginning of all of them.
        secure: they are for TLS only.
    """

    prefix: str
    secure: bool

    @classmethod
    def of(cls, origin: str, mount: str) -> CookieNames:
        """Return the names under a public address.

        Args:
            origin: scheme, host and port.
            mount: public mount, empty for none.
        """
        secure = origin.startswith("https://")
        tag = hashlib.sha256(mount.encode()).hexdigest()[:8] if mount else ""
        if not secure:
            port = origin.rpartition(":")[2]
            tag = f"{port if port.isdigit() else '80'}{'-' if tag else ''}{tag}"
        begin = "__Host-fluxlit-" if secure else "fluxlit-dev-"
        return cls(begin + (f"{tag}-" if tag else ""), secure)

    @property
    def session(self) -> str:
        """Name of the cookie of the login session."""
        return f"{self.prefix}session"

    @property
    def logout(self) -> str:
        """Name of the cookie that binds a logout at the provider to the browser."""
        return f"{self.prefix}logout"

    def attempt(self, state: str) -> str:
        """Return the name of the cookie of a pending login.

        It does not reveal the state.
        """
        return f"{self.prefix}login-{hashlib.sha256(state.encode()).hexdigest()[:16]}"

    def attempts(self, cookies: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Return the names of a browser's pending logins, oldest first."""
        begin = f"{self.prefix}login-"
        found = [name for name in cookies if name.startswith(begin) and _ATTEMPT.match(name.removeprefix(begin))]
        # Their values begin with the time.
        return sorted(found, key=lambda name: cookies[name][0].zfill(20))

    def set(self, name: str, value: str, *, max_age: int | None = None) -> bytes:
        """Return a Set-Cookie value.

        Without `max_age` (seconds) the cookie lasts as long as the browser's session.
        """
        parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
        if self.secure:
            parts.append("Secure")
        if max_age is not None:
            parts.append(f"Max-Age={max_age}")
        return "; ".join(parts).encode("ascii")

    def clear(self, name: str) -> bytes:
        """Return a Set-Cookie value that removes a cookie."""
        return self.set(name, "", max_age=0)


def read_cookies(scope: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the login's cookies of a request, by name, with all values."""
    found: dict[str, list[str]] = {}
    for header, text in scope["headers"]:
        if header != b"cookie":
            continue
        for name, value in _PAIR.findall(text.decode("latin-1")):
            if len(value) <= _MAX_VALUE:
                found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def only(cookies: Mapping[str, tuple[str, ...]], name: str) -> str | None:
    """Return the value of a cookie; `None` if there is none, or several.

    Of several, one was planted.
    """
    values = cookies.get(name, ())
    return values[0] if len(values) == 1 else None
