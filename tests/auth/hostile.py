"""A provider that lies on request.

Every claim, header, document and answer can be changed, every call is counted.

It is an ASGI application, so it works in process and over a real socket alike. Left alone it is an honest provider:
discovery, PAR, code with PKCE, ID tokens, userinfo, rotating refresh tokens, revocation, both logouts.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from fluxlit_auth.id_token import half_hash


class Absent(Enum):
    """What is left out; in names of tests it reads the same everywhere."""

    VALUE = "absent"


GONE = Absent.VALUE
"""As a changed value: leave the key out."""

RSA_KEYS = tuple(RSAKey.generate_key(2048, {"kid": name}) for name in ("one", "two"))
EC_KEYS = tuple(ECKey.generate_key("P-256", {"kid": name}) for name in ("ec-one", "ec-two"))
EVERY_ALGORITHM = list(JWSRegistry.algorithms)


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The document with members replaced, added, or left out."""
    return {name: value for name, value in {**document, **changes}.items() if value is not GONE}


@dataclass
class Grant:
    """What a user has agreed to."""

    request: dict[str, str]
    used: bool = False


@dataclass
class HostileProvider:
    """One provider and its lies.

    Attributes:
        issuer: its name, and where it is.
        client_id: its one client.
        client_secret: the client's.
        client_key: public key of a client that authenticates with `private_key_jwt`.
        signing_key: signs tokens.
        published: the keys that it shows.
        alg: algorithm of its tokens.
        subject: who is logged in.
        claims: changes of ID tokens.
        header: changes of the header of ID tokens.
        refreshed: changes of ID tokens that come with a refresh; `GONE` as `id_token` leaves those out.
        metadata: changes of the metadata.
        tokens: changes of what the token endpoint answers.
        userinfo: changes of what the userinfo endpoint answers.
        callback: changes of what comes back through the browser.
        failing: endpoint -> status that it answers instead.
        instead: endpoint -> what it answers instead: status, body, media type.
        calls: how often each endpoint was asked.
        requests: authorization requests as they arrived, PAR resolved.
        hook: called with the name of each endpoint before it answers.
        clock: seconds since the epoch.
    """

    issuer: str = "https://provider.test"
    client_id: str = "the-client"
    client_secret: str = "a secret of the client that is long enough"
    client_key: Key | None = None
    signing_key: Key = field(default_factory=lambda: RSA_KEYS[0])
    published: list[Key] = field(default_factory=lambda: [RSA_KEYS[0]])
    alg: str = "RS256"
    subject: str = "ada"
    expires_in: int = 3600
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    refreshed: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    callback: dict[str, Any] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    instead: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[dict[str, str]] = field(default_factory=list)
    hook: Callable[[str], Any] | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._pushed: dict[str, dict[str, str]] = {}
        self.revoked: list[str] = []
        self.forms: list[dict[str, str]] = []

    # Answers.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        request = Request(scope, receive)
        name = request.url.path.rpartition("/")[2]
        self.calls[name] += 1
        if self.hook is not None and (waiting := self.hook(name)) is not None:
            await waiting
        if name in self.failing:
            response: Response = JSONResponse({"error": "made to fail"}, self.failing[name])
        elif name in self.instead:
            status, body, media_type = self.instead[name]
            response = Response(body, status, media_type=media_type)
        else:
            answer = {
                "openid-configuration": self._metadata,
                "jwks": self._jwks,
                "authorize": self._authorize,
                "par": self._par,
                "token": self._token,
                "userinfo": self._userinfo,
                "revoke": self._revoke,
                "logout": self._end_session,
            }[name]
            response = await answer(request)
        await response(scope, receive, send)

    def document(self) -> dict[str, Any]:
        """The metadata as they are shown."""
        return changed(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "end_session_endpoint": f"{self.issuer}/logout",
                "revocation_endpoint": f"{self.issuer}/revoke",
                "id_token_signing_alg_values_supported": ["RS256", "ES256", "PS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
                "authorization_response_iss_parameter_supported": True,
                "code_challenge_methods_supported": ["S256"],
                "backchannel_logout_supported": True,
            },
            self.metadata,
        )

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(self.document())

    async def _jwks(self, request: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.published]})

    async def _par(self, request: Request) -> Response:
        form = await self._form(request)
        if not self._is_client(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        uri = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(16)}"
        self._pushed[uri] = form
        return JSONResponse({"request_uri": uri, "expires_in": 60}, 201)

    async def _authorize(self, request: Request) -> Response:
        return RedirectResponse(self.authorize(dict(request.query_params)), 302)

    def authorize(self, query: dict[str, str]) -> str:
        """Log the user in at once; returns where the browser is sent."""
        if "request_uri" in query:
            query = self._pushed.pop(query["request_uri"])
        self.requests.append(query)
        code = secrets.token_urlsafe(16)
        self._grants[code] = Grant(query)
        answer = changed({"code": code, "state": query["state"], "iss": self.issuer}, self.callback)
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    async def _token(self, request: Request) -> Response:
        form = await self._form(request)
        if not self._is_client(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form)
        grant = self._grants.get(form.get("code", ""))
        if grant is None or grant.used or not _proves(form, grant.request):
            return JSONResponse({"error": "invalid_grant"}, 400)
        grant.used = True
        return JSONResponse(self._tokens(grant, form["code"], self.claims))

    def _refreshed(self, form: dict[str, str]) -> Response:
        grant = self._refresh.get(form.get("refresh_token", ""))
        if grant is None or grant.used:
            return JSONResponse({"error": "invalid_grant"}, 400)
        grant.used = True
        changes = {"nonce": GONE, **self.claims, **self.refreshed}
        answer = self._tokens(grant, "", {name: value for name, value in changes.items() if name != "id_token"})
        return JSONResponse(changed(answer, {"id_token": GONE} if self.refreshed.get("id_token") is GONE else {}))

    async def _userinfo(self, request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer at-"):
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse(changed({"sub": self.subject, "name": "Ada Lovelace"}, self.userinfo))

    async def _revoke(self, request: Request) -> Response:
        form = await self._form(request)
        self.revoked.append(form["token"])
        return Response(status_code=200)

    async def _end_session(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.requests.append(query)
        back = changed({"state": query.get("state", "")}, self.callback)
        return RedirectResponse(f"{query['post_logout_redirect_uri']}?{urlencode(back)}", 302)

    # Tokens.

    def _tokens(self, grant: Grant, code: str, changes: dict[str, Any]) -> dict[str, Any]:
        access = f"at-{secrets.token_urlsafe(16)}"
        refresh = f"rt-{secrets.token_urlsafe(16)}"
        self._refresh[refresh] = Grant(grant.request)
        answer = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": refresh,
            "id_token": self.id_token(grant.request.get("nonce"), access, code, changes),
        }
        return changed(answer, self.tokens)

    def id_token(self, nonce: str | None, access: str, code: str, changes: dict[str, Any]) -> str:
        """An ID token with the changes in it."""
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": self.client_id,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "at_hash": half_hash(access, self.alg),
            "sid": "sid-1",
            "email": f"{self.subject}@example.com",
            "name": "Ada Lovelace",
        }
        return self.sign(changed(claims, changes), self.header)

    def sign(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        """A signed token."""
        fields = changed({"alg": self.alg, "kid": self.signing_key.kid}, header)
        key = OctKey.import_key("0" * 32) if fields["alg"] == "none" else self.signing_key
        return jwt.encode(fields, claims, key, algorithms=EVERY_ALGORITHM, registry=_LOOSE)

    def logout_token(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A logout token for the user, with changes in it."""
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_urlsafe(8),
            "sub": self.subject,
            "sid": "sid-1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        return self.sign(changed(claims, changes), {"typ": "logout+jwt", **(header or {})})

    # Clients.

    async def _form(self, request: Request) -> dict[str, str]:
        form = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
        self.forms.append(form)
        return form

    def _is_client(self, request: Request, form: dict[str, str]) -> bool:
        if (assertion := form.get("client_assertion")) is not None and self.client_key is not None:
            claims = jwt.decode(assertion, self.client_key, algorithms=["RS256", "PS256"]).claims
            return bool(claims["iss"] == claims["sub"] == self.client_id)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(given).decode().partition(":")
            return (unquote(name), unquote(secret.replace("+", " "))) == (self.client_id, self.client_secret)
        return (form.get("client_id"), form.get("client_secret")) == (self.client_id, self.client_secret)


def _proves(form: dict[str, str], request: dict[str, str]) -> bool:
    """Whether a code is redeemed by the client that asked for it.

    RFC 7636 section 4.6, RFC 6749 section 4.1.3.
    """
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return (challenge, form.get("redirect_uri")) == (request.get("code_challenge"), request["redirect_uri"])


def unsigned(token: str) -> str:
    """The token with its signature cut off."""
    return token.rpartition(".")[0] + "."


def forged(token: str) -> str:
    """The token with another signature of the right size."""
    head, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[0] ^= 1
    return f"{head}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


class _Loose(JWSRegistry):
    def check_header(self, header: dict[str, Any]) -> None:
        """Let everything through."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_LOOSE = _Loose()
