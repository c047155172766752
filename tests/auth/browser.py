"""A browser in front of an authenticator, in process.

It keeps cookies and follows redirects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from fluxlit.auth.contract import AuthContext, Verdict
from fluxlit.settings import Settings
from fluxlit_auth import OIDC
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

ORIGIN = "https://app.test"


def context(settings: Settings, origin: str | None = ORIGIN) -> AuthContext:
    """What the gateway passes to an authenticator."""

    def no_store() -> Any:
        raise AssertionError("logins have stores of their own")

    return AuthContext(settings, no_store, lambda _scope: origin)


def replica(
    hostile: HostileProvider, clock: Clock, *, origin: str | None = ORIGIN, oidc: OIDC | None = None, **settings: Any
) -> OIDC:
    """One process of an application that logs in at the hostile provider."""
    oidc = oidc or OIDC(transport=httpx.ASGITransport(app=hostile), clock=clock)
    known = {
        "oidc_issuer": hostile.issuer,
        "oidc_client_id": hostile.client_id,
        "oidc_client_secret": hostile.client_secret,
        "secret_key": "a key of the application that is long enough to be one",
    }
    oidc.bind(context(Settings(**(known | settings)), origin))
    return oidc


@dataclass
class Browser:
    """The browser of one person.

    Attributes:
        oidc: what answers.
        mount: public mount of the application.
        cookies: those that it keeps.
        address: its IP address.
    """

    oidc: OIDC
    mount: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = "192.0.2.1"

    def scope(self, path: str, **headers: str) -> dict[str, Any]:
        parts = urlsplit(path)
        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if self.cookies:
            fields.append((b"cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode()))
        return {
            "type": "http",
            "method": "GET",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": self.mount,
            "headers": fields,
            "client": (self.address, 4711),
            "http_version": "1.1",
        }

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self._ask(self.scope(path, **headers), b"")

    async def post(self, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
        return await self._ask({**self.scope(path, **headers), "method": "POST"}, body)

    async def _ask(self, scope: dict[str, Any], body: bytes) -> httpx.Response:
        route = self.oidc.routes()[scope["path"].removeprefix(f"{self.mount}/api")]
        messages: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            messages.append(message)

        await route(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in messages[1:])
        response = httpx.Response(messages[0]["status"], headers=messages[0]["headers"], content=content)
        self.keep([value.encode() for value in response.headers.get_list("set-cookie")])
        return response

    def keep(self, set_cookies: list[bytes]) -> None:
        for text in set_cookies:
            name, _, rest = text.decode().partition("=")
            value, *attributes = rest.split("; ")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    async def begin(self, return_to: str | None = None) -> str:
        """Ask to log in; returns where the provider is asked."""
        query = "" if return_to is None else f"?{httpx.QueryParams({'return_to': return_to})}"
        response = await self.get(f"{self.mount}/api/auth/login{query}")
        assert response.status_code == 303, response.text
        return response.headers["location"]

    async def log_in(self, hostile: HostileProvider, return_to: str | None = None) -> httpx.Response:
        """Log in, with or without success; returns the callback's response."""
        return await self.get(there_and_back(hostile, await self.begin(return_to)))

    async def back_channel(self, token: str) -> httpx.Response:
        """What the provider sends beside the browser; returns the response."""
        form = "application/x-www-form-urlencoded"
        return await self.post("/api/auth/backchannel-logout", f"logout_token={token}".encode(), content_type=form)

    async def verdict(self) -> Verdict:
        found = await self.oidc.authenticate(self.scope(f"{self.mount}/"))
        self.keep(list(found.set_cookies))
        return found

    @property
    def session(self) -> str:
        [value] = [value for name, value in self.cookies.items() if name.endswith("session")]
        return value


def there_and_back(hostile: HostileProvider, location: str) -> str:
    """What the browser asks for after the provider has logged it in."""
    back = urlsplit(hostile.authorize(dict(parse_qsl(urlsplit(location).query))))
    return f"{back.path}?{back.query}"
