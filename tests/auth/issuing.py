"""An issuer of tokens.

Keys, signatures, and its key set behind a counted door.
"""

from __future__ import annotations

import time
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from fluxlit.auth.contract import PEER, Peer
from fluxlit_auth.http_client import HttpClient

ISSUER = "https://issuer.example"
JWKS = f"{ISSUER}/jwks"
SECRET = "a shared secret of more than 32 bytes, for tests"


class Issuing:
    def __init__(self) -> None:
        self.key: Key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.published: list[Key] = [self.key]
        self.fetches = 0
        self.down = False
        self.web = HttpClient(httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.fetches += 1
        if self.down:
            raise httpx.ConnectError("no route")
        assert str(request.url) == JWKS
        return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.published]})

    def token(self, *, key: Key | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        key = key or self.key
        now = int(time.time())
        kinds: dict[type[Any], str] = {RSAKey: "RS256", ECKey: "ES256", OctKey: "HS256"}
        head = {"alg": kinds[type(key)], **({"kid": key.kid} if key.kid else {}), **(header or {})}
        body = {"iss": ISSUER, "aud": "orders", "sub": "ada", "iat": now, "exp": now + 60, **claims}
        kept = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(head, kept, key, algorithms=[head["alg"]])


def scope(*headers: tuple[str, str], trusted: bool = False) -> dict[str, Any]:
    fields = [(name.lower().encode(), value.encode()) for name, value in headers]
    return {"type": "http", "method": "GET", "headers": fields, PEER: Peer("192.0.2.1", trusted, fields)}


def bearer(token: str) -> dict[str, Any]:
    return scope(("Authorization", f"Bearer {token}"))
