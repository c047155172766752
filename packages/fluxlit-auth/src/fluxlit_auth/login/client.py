"""The client at a provider: authorization requests, and the endpoints that want to know who asks.

Authlib signs those requests. Its own client classes are not used: they hold the tokens of one user, and here one
client serves all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2
from authlib.integrations.httpx_client import OAuth2ClientAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from fluxlit_auth.errors import AuthConfigError, GrantRefused, ProviderUnavailable
from fluxlit_auth.login.attempts import Attempt
from fluxlit_auth.login.options import Options
from fluxlit_auth.metadata import Metadata
from fluxlit_auth.web import Reply, Web

ASSERTION_S = 60
"""How long a signed client assertion is good for, in seconds."""

REFUSALS = frozenset(
    {
        *("invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client"),
        *("unsupported_grant_type", "bad_verification_code", "interaction_required", "login_required"),
    }
)
"""Error codes that are repeated in logs; any other text of a provider is not (RFC 6749 section 5.2, GitHub's own)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave.

    Attributes:
        access_token: for the provider's APIs.
        id_token: who logged in; `None` if there is none.
        refresh_token: gets new ones; `None` if there is none.
        expires_in: seconds that the access token lasts; `None` if the provider does not say.
    """

    access_token: str = field(repr=False)
    id_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_in: float | None = None


class Client:
    """One client at one provider.

    Args:
        options: who it is.
        web: the way to the provider.
    """

    def __init__(self, options: Options, web: Web) -> None:
        self._options, self._web = options, web

    def request(self, attempt: Attempt, state: str) -> dict[str, str]:
        """The parameters of an authorization request: the code flow with PKCE S256, always (RFC 9700 section 2.1.1)."""
        options = self._options
        parameters = {
            **options.authorization_params,
            "response_type": "code",
            "client_id": options.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": " ".join(options.scopes),
            "state": state,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        return parameters if options.preset.known else {**parameters, "nonce": attempt.nonce}

    async def push(self, metadata: Metadata, request: Mapping[str, str]) -> dict[str, str]:
        """Sends a request ahead; returns the parameters that stand for it (RFC 9126 section 2).

        Raises:
            GrantRefused: the provider does not take it.
            ProviderUnavailable: it does not answer, or not with a reference.
        """
        reply = await self._post(metadata, metadata.par_endpoint, request, "the pushed authorization request")
        answer = _answer(reply, "the pushed authorization request", 201)
        reference = answer.get("request_uri")
        if not isinstance(reference, str) or not reference:
            raise ProviderUnavailable("the pushed authorization request: the answer has no request_uri")
        return {"client_id": self._options.client_id, "request_uri": reference}

    async def redeem(self, metadata: Metadata, attempt: Attempt, code: str) -> Tokens:
        """Exchanges a code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).

        Raises:
            GrantRefused, ProviderUnavailable: as for `push`.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        return await self._tokens(metadata, form)

    async def refresh(self, metadata: Metadata, refresh_token: str) -> Tokens:
        """Exchanges a refresh token for new tokens (RFC 6749 section 6).

        Raises:
            GrantRefused, ProviderUnavailable: as for `push`.
        """
        return await self._tokens(metadata, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def revoke(self, metadata: Metadata, token: str) -> None:
        """Ends a refresh token at the provider (RFC 7009), if it offers that.

        Raises:
            ProviderUnavailable: it does not answer.
        """
        if metadata.revocation_endpoint:
            form = {"token": token, "token_type_hint": "refresh_token"}
            await self._post(metadata, metadata.revocation_endpoint, form, "the revocation")

    async def _tokens(self, metadata: Metadata, form: Mapping[str, str]) -> Tokens:
        what = "the token endpoint"
        return read_tokens(_answer(await self._post(metadata, metadata.token_endpoint, form, what), what, 200))

    async def _post(self, metadata: Metadata, url: str, form: Mapping[str, str], what: str) -> Reply:
        return await self._web.send("POST", url, what, form=form, auth=self._signature(metadata, url))

    def _signature(self, metadata: Metadata, url: str) -> httpx2.Auth:
        options = self._options
        if options.client_key is not None:
            audience = url if options.preset.assertion_audience == "endpoint" else metadata.issuer
            # Made anew each time: it remembers its `jti`, and a provider takes each of those once.
            method = PrivateKeyJWT(
                token_endpoint=audience,
                claims={"exp": int(time.time()) + ASSERTION_S},
                headers={"kid": options.client_key.kid},
                alg=signature_of(options.client_key),
            )
            return _auth(options.client_id, options.client_key, method)
        offered = metadata.auth_methods or {"client_secret_basic"}
        if "client_secret_basic" in offered:
            # Form-encoded before they are joined (RFC 6749 section 2.3.1), which Authlib leaves to its caller.
            return _auth(quote_plus(options.client_id), quote_plus(options.client_secret), "client_secret_basic")
        if "client_secret_post" in offered:
            return _auth(options.client_id, options.client_secret, "client_secret_post")
        raise AuthConfigError(
            f"{metadata.issuer} takes neither a client's secret by client_secret_basic nor by client_secret_post; "
            f"it offers {', '.join(sorted(offered))}. Set oidc_client_key_file to the client's private key."
        )


def location(metadata: Metadata, parameters: Mapping[str, str]) -> str:
    """Where the browser is sent. The endpoint may have a query of its own (RFC 6749 section 3.1)."""
    joint = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(parameters)}"


def read_tokens(answer: Mapping[str, Any]) -> Tokens:
    """The tokens in an answer of a token endpoint.

    Raises:
        ProviderUnavailable: it has no bearer token.
    """
    access = answer.get("access_token")
    kind = answer.get("token_type", "bearer")
    if not isinstance(access, str) or not access or not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProviderUnavailable("the token endpoint: the answer holds no bearer token")
    expires = answer.get("expires_in")
    if isinstance(expires, str) and expires.isdigit():  # some write numbers as text
        expires = int(expires)
    lasting = isinstance(expires, (int, float)) and not isinstance(expires, bool) and 0 < expires < 1e9
    return Tokens(access, _text(answer, "id_token"), _text(answer, "refresh_token"), expires if lasting else None)


def signature_of(key: Key) -> str:
    """The algorithm with which a client's own key signs."""
    recommended = {"RSA": "RS256", "OKP": "EdDSA", "EC": {"P-384": "ES384", "P-521": "ES512"}.get(str(key.get("crv")))}
    name = key.get("alg") or recommended.get(key.key_type) or "ES256"
    assert name in JWSRegistry.algorithms
    return str(name)


def _auth(client_id: str, secret: Any, method: Any) -> httpx2.Auth:
    made: httpx2.Auth = OAuth2ClientAuth(client_id=client_id, client_secret=secret, auth_method=method)
    return made


def _answer(reply: Reply, what: str, status: int) -> dict[str, Any]:
    answer = reply.document(what)
    # GitHub answers 200 and an error.
    if reply.status != status or "error" in answer:
        code = answer.get("error")
        raise GrantRefused(code if isinstance(code, str) and code in REFUSALS else "unknown")
    return answer


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) and value else None
