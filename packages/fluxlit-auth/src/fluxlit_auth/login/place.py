"""Where the application is for one browser: its public address, and the addresses of the login below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from fluxlit_auth.login.cookies import Jar
from fluxlit_auth.web import is_loopback

LOGIN = "/auth/login"
CALLBACK = "/auth/callback"
LOGOUT = "/auth/logout"
LOGGED_OUT = "/auth/logged-out"
SESSION = "/auth/session"
BACKCHANNEL_LOGOUT = "/auth/backchannel-logout"

RETURN_TO = "return_to"


@dataclass(frozen=True, slots=True)
class Place:
    """A public address.

    Attributes:
        origin: scheme, host and port.
        mount: public mount, empty for none.
        api: where the API is below it.
    """

    origin: str
    mount: str
    api: str

    @property
    def jar(self) -> Jar:
        """The cookies there."""
        return Jar.of(self.origin, self.mount)

    @property
    def safe(self) -> bool:
        """Cookies and codes may travel there: with TLS, or inside this machine."""
        return self.origin.startswith("https://") or is_loopback(urlsplit(self.origin).hostname or "")

    def url(self, route: str) -> str:
        """The whole address of a route of the login."""
        return f"{self.origin}{self.path(route)}"

    def path(self, route: str, **query: str) -> str:
        """Its path, with a query."""
        path = f"{self.mount}{self.api}{route}"
        return f"{path}?{urlencode(query)}" if query else path


def path_of(scope: Mapping[str, Any]) -> str:
    """Path and query of a request as the browser wrote them."""
    raw: bytes | None = scope.get("raw_path")
    path = (raw.partition(b"?")[0] if raw is not None else scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path
