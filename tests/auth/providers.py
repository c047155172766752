"""Well-known providers, each as its documentation describes it.

Addresses, parameters, claims, errors.

What a provider does not document is not answered: a request to any other address fails the test. `SCRIPTS` names the
pages; the values were written after them.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import httpx
from joserfc import jwt

from fluxlit_auth.id_token import half_hash
from tests.auth.hostile import RSA_KEYS

CLIENT, SECRET = "portal", "a secret of the client that is long enough"
KEY = RSA_KEYS[0]
EXP = 3600


@dataclass(frozen=True)
class Script:
    """What one provider sends.

    Attributes:
        pages: its documentation.
        metadata: its discovery document.
        settings: what its how-to sets.
        back: what comes back through the browser besides code and state.
        tokens: what the token endpoint adds to the tokens.
        claims: ID token, besides the registered claims; `None` if there is none.
        userinfo: UserInfo.
        refused: answer to a refresh token that is not valid any more.
        refreshed: keys that the response to a refresh lacks.
        at_hash: ID tokens hold it.
        logout: parameters that a logout needs; none if it knows no logout.
        state: a logout returns with its state.
        expected: subject, name, email and roles of the user.
        more: further resources, by address.
    """

    pages: tuple[str, ...]
    metadata: Mapping[str, Any]
    settings: Mapping[str, str]
    back: Mapping[str, str]
    tokens: Mapping[str, Any]
    claims: Mapping[str, Any] | None
    userinfo: Mapping[str, Any]
    expected: tuple[str, str | None, str | None, frozenset[str]]
    refused: tuple[int, Mapping[str, Any]] = (400, {"error": "invalid_grant"})
    refreshed: frozenset[str] = frozenset()
    at_hash: bool = True
    logout: tuple[str, ...] = ()
    state: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Provider:
    """A provider that follows a script.

    Attributes:
        script: the script.
        clock: seconds since the epoch.
        ended: refresh tokens are refused.
    """

    script: Script
    clock: Callable[[], float] = time.time
    ended: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pending: dict[str, dict[str, str]] = {}
        issuer = self.script.metadata["issuer"]
        self._answers: dict[str, Callable[[httpx.Request], httpx.Response]] = {
            f"{issuer.rstrip('/')}/.well-known/openid-configuration": lambda _request: self._json(self.script.metadata)
        }
        for name, answer in {
            "token_endpoint": self._token,
            "jwks_uri": lambda _request: self._json({"keys": [KEY.as_dict(private=False, use="sig")]}),
            "userinfo_endpoint": self._userinfo,
            "revocation_endpoint": lambda _request: httpx.Response(200),
            "pushed_authorization_request_endpoint": self._par,
        }.items():
            if name in self.script.metadata:
                self._answers[self.script.metadata[name]] = answer
        for url, document in self.script.more.items():
            self._answers[url] = self._document(document)

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """The network in which only this provider is."""
        return httpx.MockTransport(self._answer)

    def authorize(self, location: str) -> str:
        """Sign the user in; returns what the browser asks for then."""
        url, _, query = location.partition("?")
        assert url == self.script.metadata["authorization_endpoint"]
        request = dict(parse_qsl(query, strict_parsing=True))
        if "request_uri" in request:
            assert set(request) == {"client_id", "request_uri"}
            request = self._pending.pop(request["request_uri"])
        assert request["response_type"] == "code"
        assert request["client_id"] == CLIENT
        code = secrets.token_urlsafe(16)
        self._pending[code] = request
        back = urlsplit(request["redirect_uri"])
        return f"{back.path}?{urlencode({'code': code, 'state': request['state'], **self.script.back})}"

    def log_out(self, location: str) -> str:
        """Sign the user out; returns what the browser asks for then."""
        url, _, query = location.partition("?")
        assert url == self.script.metadata["end_session_endpoint"]
        request = dict(parse_qsl(query, strict_parsing=True))
        assert set(self.script.logout) <= set(request), "the provider's error page"
        back = urlsplit(request.get("logout_uri") or request["post_logout_redirect_uri"])
        return f"{back.path}?state={request['state']}" if self.script.state else back.path

    def _answer(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        self.asked.append(url)
        assert url in self._answers, f"{url} is no address of this provider"
        return self._answers[url](request)

    def _document(self, document: Any) -> Callable[[httpx.Request], httpx.Response]:
        return lambda _request: self._json(document)

    def _json(self, document: Any, status: int = 200) -> httpx.Response:
        return httpx.Response(status, json=document)

    def _userinfo(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"].startswith("Bearer at-")
        return self._json(self.script.userinfo)

    def _par(self, request: httpx.Request) -> httpx.Response:
        form = self._form(request)
        uri = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(8)}"
        self._pending[uri] = form
        return self._json({"request_uri": uri, "expires_in": 60}, 201)

    def _form(self, request: httpx.Request) -> dict[str, str]:
        """The form of a client that authenticates as the metadata announce."""
        form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        methods = self.script.metadata["token_endpoint_auth_methods_supported"]
        if "authorization" in request.headers:
            assert "client_secret_basic" in methods
            pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
            assert (unquote_plus(pair[0]), unquote_plus(pair[2])) == (CLIENT, SECRET)
        else:
            assert "client_secret_post" in methods
            assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
        return form

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = self._form(request)
        refresh = form["grant_type"] == "refresh_token"
        if refresh and self.ended:
            status, document = self.script.refused
            return self._json(document, status)
        asked = {} if refresh else self._pending.pop(form["code"])
        access = f"at-{secrets.token_urlsafe(16)}"
        answer = {"access_token": access, "refresh_token": "rt-1", "expires_in": EXP, **self.script.tokens}
        if self.script.claims is not None:
            answer["id_token"] = self._id_token(access, asked.get("nonce"))
        kept = {name: value for name, value in answer.items() if value is not None}
        return self._json({name: value for name, value in kept.items() if not (refresh and name in self._lacks)})

    @property
    def _lacks(self) -> frozenset[str]:
        return self.script.refreshed

    def _id_token(self, access: str, nonce: str | None) -> str:
        now = int(self.clock())
        claims = {"iss": self.script.metadata["issuer"], "aud": CLIENT, "iat": now, "exp": now + EXP}
        claims |= {"nonce": nonce} if nonce else {}
        claims |= {"at_hash": half_hash(access, "RS256")} if self.script.at_hash else {}
        return jwt.encode({"alg": "RS256", "kid": KEY.kid, "typ": "JWT"}, {**claims, **(self.script.claims or {})}, KEY)


def _endpoints(base: str, **paths: str) -> dict[str, str]:
    return {name: path if path.startswith("https://") else f"{base}{path}" for name, path in paths.items()}


_BOTH = ["client_secret_basic", "client_secret_post"]
_ENTRA = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555"
_OKTA = "https://example.okta.com/oauth2/default"
_AUTH0 = "https://example.eu.auth0.com"
_KEYCLOAK = "https://login.example.com/realms/staff"
_COGNITO, _POOL = "https://portal.auth.eu-central-1.amazoncognito.com", "eu-central-1_AbCdEf"
_ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}

SCRIPTS: dict[str, Script] = {
    "entra": Script(
        pages=(
            "https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc",
            "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow",
            "https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference",
        ),
        metadata={
            "issuer": f"{_ENTRA}/v2.0",
            **_endpoints(
                _ENTRA,
                authorization_endpoint="/oauth2/v2.0/authorize",
                token_endpoint="/oauth2/v2.0/token",
                jwks_uri="/discovery/v2.0/keys",
                userinfo_endpoint="https://graph.microsoft.com/oidc/userinfo",
                end_session_endpoint="/oauth2/v2.0/logout",
            ),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
        },
        settings={"oidc_issuer": f"{_ENTRA}/v2.0"},
        back={"session_state": "7b29111d-c220-4263-99ff-6f6e135d75ef"},
        tokens={"token_type": "Bearer", "scope": "openid profile email", "ext_expires_in": 3599},
        claims={
            "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "oid": "00000000-0000-0000-66f3-3332eca7ea81",
            "tid": "11111111-2222-3333-4444-555555555555",
            "name": "Ada Lovelace",
            "preferred_username": "ada@example.com",
            "ver": "2.0",
            "uti": "x",
            "roles": ["Admin"],
        },
        userinfo={},
        at_hash=False,
        refused=(
            400,
            {
                "error": "invalid_grant",
                "error_description": "AADSTS700082: The refresh token has expired due to inactivity.",
                "error_codes": [700082],
                "trace_id": "255d1aef-8c98-452f-ac51-23d051240864",
            },
        ),
        logout=("post_logout_redirect_uri",),
        expected=("AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "Ada Lovelace", None, frozenset({"Admin"})),
    ),
    "google": Script(
        pages=("https://developers.google.com/identity/openid-connect/openid-connect",),
        metadata={
            "issuer": "https://accounts.google.com",
            **_endpoints(
                "",
                authorization_endpoint="https://accounts.google.com/o/oauth2/v2/auth",
                token_endpoint="https://oauth2.googleapis.com/token",
                jwks_uri="https://www.googleapis.com/oauth2/v3/certs",
                userinfo_endpoint="https://openidconnect.googleapis.com/v1/userinfo",
                revocation_endpoint="https://oauth2.googleapis.com/revoke",
            ),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "scopes_supported": ["openid", "email", "profile"],
        },
        settings={},
        back={
            "scope": "email profile openid https://www.googleapis.com/auth/userinfo.email",
            "authuser": "0",
            "hd": "example.com",
            "prompt": "consent",
        },
        tokens={"token_type": "Bearer", "scope": "openid https://www.googleapis.com/auth/userinfo.email"},
        claims={
            "sub": "10769150350006150715113082367",
            "azp": CLIENT,
            "hd": "example.com",
            "email_verified": True,
            **_ADA,
        },
        userinfo={},
        refused=(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}),
        refreshed=frozenset({"refresh_token"}),
        expected=("10769150350006150715113082367", "Ada Lovelace", "ada@example.com", frozenset()),
    ),
    "okta": Script(
        pages=("https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/",),
        metadata={
            "issuer": _OKTA,
            **_endpoints(
                _OKTA,
                authorization_endpoint="/v1/authorize",
                token_endpoint="/v1/token",
                jwks_uri="/v1/keys",
                userinfo_endpoint="/v1/userinfo",
                end_session_endpoint="/v1/logout",
                revocation_endpoint="/v1/revoke",
                pushed_authorization_request_endpoint="/v1/par",
            ),
            "token_endpoint_auth_methods_supported": [*_BOTH, "client_secret_jwt", "private_key_jwt", "none"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access", "groups"],
        },
        settings={"oidc_issuer": _OKTA},
        back={},
        tokens={"token_type": "Bearer", "scope": "offline_access openid profile email groups"},
        claims={"sub": "00u1abcd", "ver": 1, "idp": "00o1", "amr": ["pwd"], "preferred_username": "ada@example.com"},
        userinfo={"sub": "00u1abcd", "groups": ["Everyone", "Staff"], "email_verified": True, **_ADA},
        refused=(400, {"error": "invalid_grant", "error_description": "The refresh token is invalid or expired."}),
        logout=("id_token_hint", "post_logout_redirect_uri"),
        expected=("00u1abcd", "Ada Lovelace", "ada@example.com", frozenset({"Everyone", "Staff"})),
    ),
    "auth0": Script(
        pages=(
            "https://auth0.com/docs/get-started/applications/configure-applications-with-oidc-discovery",
            "https://auth0.com/docs/authenticate/login/logout/log-users-out-of-auth0",
        ),
        metadata={
            "issuer": f"{_AUTH0}/",
            **_endpoints(
                _AUTH0,
                authorization_endpoint="/authorize",
                token_endpoint="/oauth/token",
                jwks_uri="/.well-known/jwks.json",
                userinfo_endpoint="/userinfo",
                end_session_endpoint="/oidc/logout",
                revocation_endpoint="/oauth/revoke",
            ),
            "token_endpoint_auth_methods_supported": [*_BOTH, "private_key_jwt"],
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "scopes_supported": ["openid", "profile", "offline_access", "email"],
        },
        settings={"oidc_issuer": f"{_AUTH0}/", "oidc_roles_claims": "https://app.example.com/roles"},
        back={},
        tokens={"token_type": "Bearer", "scope": "openid profile email offline_access"},
        claims={
            "sub": "auth0|507f1f77bcf86cd799439020",
            "sid": "abc",
            "email_verified": False,
            "https://app.example.com/roles": ["editor"],
            **_ADA,
        },
        userinfo={"sub": "auth0|507f1f77bcf86cd799439020", "updated_at": "2026-01-01T00:00:00.000Z"},
        refused=(403, {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}),
        logout=("post_logout_redirect_uri",),
        expected=("auth0|507f1f77bcf86cd799439020", "Ada Lovelace", None, frozenset({"editor"})),
    ),
    "keycloak": Script(
        pages=(
            "https://www.keycloak.org/securing-apps/oidc-layers",
            "https://www.keycloak.org/docs/latest/server_admin/",
        ),
        metadata={
            "issuer": _KEYCLOAK,
            **_endpoints(
                f"{_KEYCLOAK}/protocol/openid-connect",
                authorization_endpoint="/auth",
                token_endpoint="/token",
                jwks_uri="/certs",
                userinfo_endpoint="/userinfo",
                end_session_endpoint="/logout",
                revocation_endpoint="/revoke",
                pushed_authorization_request_endpoint="/ext/par/request",
            ),
            "authorization_response_iss_parameter_supported": True,
            "require_pushed_authorization_requests": False,
            "token_endpoint_auth_methods_supported": ["private_key_jwt", *_BOTH, "tls_client_auth"],
            "id_token_signing_alg_values_supported": ["PS384", "RS384", "EdDSA", "ES384", "HS256", "RS256"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "scopes_supported": ["openid", "profile", "email", "roles", "offline_access"],
        },
        settings={"oidc_issuer": _KEYCLOAK},
        back={"session_state": "3bd0c1a4", "iss": _KEYCLOAK},
        tokens={
            "token_type": "Bearer",
            "refresh_expires_in": 1800,
            "not-before-policy": 0,
            "session_state": "3bd0c1a4",
            "scope": "openid profile email",
        },
        claims={
            "sub": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "typ": "ID",
            "azp": CLIENT,
            "sid": "3bd0c1a4",
            "acr": "1",
            "email_verified": True,
            "preferred_username": "ada",
            "realm_access": {"roles": ["staff"]},
            "resource_access": {CLIENT: {"roles": ["editor"]}, "account": {"roles": ["view-profile"]}},
            **_ADA,
        },
        userinfo={"sub": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "preferred_username": "ada", **_ADA},
        refused=(400, {"error": "invalid_grant", "error_description": "Token is not active"}),
        logout=("id_token_hint", "post_logout_redirect_uri"),
        expected=(
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "Ada Lovelace",
            "ada@example.com",
            frozenset({"staff", "editor"}),
        ),
    ),
    "cognito": Script(
        pages=(
            "https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html",
            "https://docs.aws.amazon.com/cognito/latest/developerguide/userinfo-endpoint.html",
        ),
        metadata={
            "issuer": f"https://cognito-idp.eu-central-1.amazonaws.com/{_POOL}",
            **_endpoints(
                _COGNITO,
                authorization_endpoint="/oauth2/authorize",
                token_endpoint="/oauth2/token",
                jwks_uri=f"https://cognito-idp.eu-central-1.amazonaws.com/{_POOL}/.well-known/jwks.json",
                userinfo_endpoint="/oauth2/userInfo",
                end_session_endpoint="/logout",
                revocation_endpoint="/oauth2/revoke",
            ),
            "token_endpoint_auth_methods_supported": _BOTH,
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "phone", "profile"],
        },
        settings={"oidc_issuer": f"https://cognito-idp.eu-central-1.amazonaws.com/{_POOL}"},
        back={},
        tokens={"token_type": "Bearer"},
        claims={
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["admin"],
            "cognito:username": "ada",
            "token_use": "id",
            "origin_jti": "aaaaaaaa-bbbb",
            "email": "ada@example.com",
            "email_verified": True,
        },
        userinfo={
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "email_verified": "true",
            "email": "ada@example.com",
            "username": "ada",
        },
        refreshed=frozenset({"refresh_token"}),
        logout=("client_id", "logout_uri"),
        state=False,
        expected=("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "ada", "ada@example.com", frozenset({"admin"})),
    ),
    "github": Script(
        pages=(
            "https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
            "https://docs.github.com/apps/github-authentication-discovery-endpoints",
            "https://docs.github.com/rest/users/emails",
        ),
        metadata={
            "issuer": "https://github.com/login/oauth",
            "authorization_endpoint": "https://github.com/login/oauth/authorize",
            "token_endpoint": "https://github.com/login/oauth/access_token",
            "userinfo_endpoint": "https://api.github.com/user",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        },
        settings={},
        back={"iss": "https://github.com/login/oauth"},
        tokens={
            "token_type": "bearer",
            "scope": "read:user,user:email",
            "expires_in": 28800,
            "refresh_token_expires_in": 15897600,
        },
        claims=None,
        userinfo={"login": "octocat", "id": 583231, "name": None, "email": None, "type": "User"},
        more={
            "https://api.github.com/user/emails": [
                {"email": "old@example.com", "primary": False, "verified": True, "visibility": None},
                {"email": "ada@example.com", "primary": True, "verified": True, "visibility": "private"},
            ]
        },
        refused=(200, {"error": "bad_refresh_token", "error_description": "The refresh token passed is incorrect."}),
        expected=("583231", "octocat", "ada@example.com", frozenset()),
    ),
}
