"""An authenticator that trusts a cookie, and an application with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit.auth.contract import AuthContext, Problem, User, Verdict

COOKIE = "login"


class Scripted:
    """``login=ada:admin,staff`` is Ada with two roles.

    ``login=!503`` cannot be judged. Bearer tokens likewise.

    What follows a ``~`` is a secret without a meaning.
    """

    def __init__(self, *, expires_at: float | None = None) -> None:
        self.expires_at = expires_at
        self.context: AuthContext | None = None
        self.gone: asyncio.Queue[str] = asyncio.Queue()
        self.judged = 0
        self.set_cookies: tuple[bytes, ...] = ()

    def bind(self, context: AuthContext) -> None:
        self.context = context

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def authenticate(self, scope: Scope) -> Verdict:
        self.judged += 1
        headers = dict(scope["headers"])
        authorization = headers.get(b"authorization", b"").decode()
        if authorization.startswith("Bearer "):
            return self._verdict(authorization.removeprefix("Bearer "), "bearer")
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode())
        return self._verdict(cookies[COOKIE].value, "oidc") if COOKIE in cookies else Verdict()

    def _verdict(self, text: str, scheme: str) -> Verdict:
        if text.startswith("!"):
            return Verdict(problem=Problem(int(text[1:]), "It cannot be known who you are."))
        name, _, roles = text.partition("~")[0].partition(":")
        user = User(
            subject=name,
            issuer="https://issuer.example",
            name=name.title(),
            email=f"{name}@example.org",
            roles=frozenset(filter(None, roles.split("."))),
            claims={"groups": ["ünï", "two"]},
            session=f"handle-{name}",
            expires_at=self.expires_at,
            scheme=scheme,
        )
        return Verdict(user, set_cookies=self.set_cookies)

    def routes(self) -> Mapping[str, Application]:
        return {"/auth/login": _login, "/auth/end": self._end}

    def login_location(self, scope: Scope) -> str | None:
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        way_back = quote(scope["raw_path"] + query, safe="")
        return f"{scope['root_path']}/api/auth/login?return_to={way_back}"

    def strips(self) -> tuple[bytes, ...]:
        return (b"x-secret",)

    def strips_cookies(self) -> tuple[bytes, ...]:
        return (COOKIE.encode(), b"login_flow_*")

    async def ended(self) -> AsyncIterator[str]:
        while True:
            yield await self.gone.get()

    def challenge(self) -> str:
        return 'Bearer realm="test"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        return {"token": {"type": "http", "scheme": "bearer"}}

    async def _end(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.gone.put_nowait(scope["query_string"].decode())
        await _login(scope, receive, send)


async def _login(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"login"})
