"""`PublicUrl`: the public address of the application, and its routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from fluxlit.auth.contract import LOGIN, LOGOUT, RETURN_TO
from fluxlit_auth.http_client import is_loopback
from fluxlit_auth.login.cookies import CookieNames

__all__ = [
    "BACKCHANNEL_LOGOUT",
    "CALLBACK",
    "LOGGED_OUT",
    "LOGIN",
    "LOGOUT",
    "RETURN_TO",
    "SESSION",
    "PublicUrl",
    "path_of",
]

CALLBACK = "/auth/callback"
LOGGED_OUT = "/auth/logged-out"
SESSION = "/auth/session"
BACKCHANNEL_LOGOUT = "/auth/backchannel-logout"


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """A public address.

    Attributes:
        origin: scheme, host and port.
        mount: public mount, empty for none.
        api: mount of the API below it.
    """

    origin: str
    mount: str
    api: str

    @property
    def cookies(self) -> CookieNames:
        """The names of the cookies at this address."""
        return CookieNames.of(self.origin, self.mount)

    @property
    def is_secure(self) -> bool:
        """Whether cookies may travel there: by TLS, or on this machine."""
        return self.origin.startswith("https://") or is_loopback(urlsplit(self.origin).hostname or "")

    def absolute(self, route: str) -> str:
        """Return the URL of a route of the login."""
        return f"{self.origin}{self.path(route)}"

    def path(self, route: str, **query: str) -> str:
        """Return the path of a route, with a query."""
        path = f"{self.mount}{self.api}{route}"
        return f"{path}?{urlencode(query)}" if query else path


def path_of(scope: Mapping[str, Any]) -> str:
    """Return path and query of a request as the browser sent them."""
    raw: bytes | None = scope.get("raw_path")
    path = (raw.partition(b"?")[0] if raw is not None else scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path
