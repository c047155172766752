"""`OAuthClient`: requests to a provider in the name of the client."""

from __future__ import annotations

import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode

from fluxlit_auth.claims import duration
from fluxlit_auth.errors import AuthConfigError, ClientRefused, GrantRefused, ProviderUnavailable
from fluxlit_auth.http_client import HttpClient, HttpResponse
from fluxlit_auth.login.authorization_request import AuthorizationRequest
from fluxlit_auth.login.client_assertion import client_assertion
from fluxlit_auth.login.options import LoginOptions
from fluxlit_auth.metadata import Metadata

logger = logging.getLogger("fluxlit_auth")

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PUSHED, TOKENS = "the pushed authorization request", "the token endpoint"
PUSHED_SETTING = "set oidc_pushed_requests to auto."

# RFC 6749 section 5.2, OpenID Connect Core section 3.1.2.6, and the codes of GitHub.
GRANT_ERRORS = frozenset(
    {
        *("invalid_grant", "bad_verification_code", "bad_refresh_token"),
        *("interaction_required", "login_required", "consent_required", "account_selection_required"),
    }
)
"""Error codes about the user's grant. All others say nothing about the user."""

CLIENT_ERRORS = frozenset(
    {
        *("invalid_client", "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"),
        *("incorrect_client_credentials", "redirect_uri_mismatch"),
    }
)
"""Error codes about this client and its requests."""

OUTAGE_ERRORS = frozenset({"server_error", "temporarily_unavailable"})
"""Error codes of a provider that is not well (RFC 6749 section 4.1.2.1)."""

TOKEN_TYPES = frozenset({"bearer", "bearertoken", "jwt"})
"""Types of bearer tokens. Some providers send the last two, which are not registered (RFC 6750 section 6.1.1)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A response of the token endpoint.

    Attributes:
        access_token: for the provider's APIs.
        id_token: describes the user; `None` if there is none.
        refresh_token: for new tokens; `None` if there is none.
        expires_in: lifetime of the access token in seconds; `None` if the provider does not state it.
    """

    access_token: str = field(repr=False)
    id_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_in: float | None = None


class OAuthClient:
    """One OAuth client at one provider.

    Args:
        options: identifier and credentials of the client.
        web: HTTP client for the provider.
    """

    def __init__(self, options: LoginOptions, web: HttpClient) -> None:
        self._options, self._web = options, web
        self._refuses_pushed: Metadata | None = None

    async def authorization_parameters(
        self, metadata: Metadata, request: AuthorizationRequest, state: str
    ) -> dict[str, str]:
        """Return the parameters to send the browser with, pushed if possible.

        Many providers announce pushed requests and refuse them to some clients. Then the parameters themselves are
        sent, unless provider or `LoginOptions.pushed_requests` require a pushed request.

        Raises:
            GrantRefused: the provider refuses the grant.
            ClientRefused: the provider refuses this client.
            ProviderUnavailable: it does not respond, or not as expected.
            AuthConfigError: the provider cannot do what the configuration requires.
        """
        parameters, mode = self._parameters(request, state), self._options.pushed_requests
        required = mode == "required" or metadata.par_required
        if mode == "off" or metadata is self._refuses_pushed:
            return parameters
        if not metadata.par_endpoint:
            if mode == "required":
                raise AuthConfigError(f"{metadata.issuer} takes no pushed authorization requests: {PUSHED_SETTING}")
            return parameters
        response = await self._post(metadata, metadata.par_endpoint, parameters, PUSHED)
        if 400 <= response.status < 500 and not required:
            self._refuses_pushed = metadata  # asked again with the next metadata
            logger.warning(
                "Pushed authorization request refused: status=%d error=%s; requests are sent unpushed. Allow them to "
                "this client at the provider, or set oidc_pushed_requests to off",
                response.status,
                response.error if response.error in GRANT_ERRORS | CLIENT_ERRORS else "unknown",
            )
            return parameters
        reference = _checked(response, PUSHED).get("request_uri")
        if not isinstance(reference, str) or not reference:
            raise ProviderUnavailable(f"{PUSHED}: the response has no request_uri")
        return {"client_id": self._options.client_id, "request_uri": reference}

    def _parameters(self, request: AuthorizationRequest, state: str) -> dict[str, str]:
        """Return the parameters of a code flow with PKCE (RFC 9700, 2.1.1)."""
        options = self._options
        parameters = {
            **options.authorization_params,
            "response_type": "code",
            "client_id": options.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(options.scopes),
            "state": state,
            "code_challenge": code_challenge(request.verifier),
            "code_challenge_method": "S256",
        }
        return parameters if options.preset.known else {**parameters, "nonce": request.nonce}

    async def redeem(self, metadata: Metadata, request: AuthorizationRequest, code: str) -> Tokens:
        """Exchange a code for tokens (RFC 6749, 4.1.3; RFC 7636, 4.5).

        Raises:
            GrantRefused, ClientRefused, ProviderUnavailable: as for `authorization_parameters`.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        return await self._tokens(metadata, form)

    async def refresh(self, metadata: Metadata, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens (RFC 6749 section 6).

        Raises:
            GrantRefused, ClientRefused, ProviderUnavailable: as for `authorization_parameters`.
        """
        return await self._tokens(metadata, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def revoke(self, metadata: Metadata, token: str) -> None:
        """Revoke a refresh token at the provider, if it supports that (RFC 7009).

        Raises:
            ProviderUnavailable: it does not respond.
        """
        if metadata.revocation_endpoint:
            form = {"token": token, "token_type_hint": "refresh_token"}
            await self._post(metadata, metadata.revocation_endpoint, form, "the revocation")

    async def _tokens(self, metadata: Metadata, form: Mapping[str, str]) -> Tokens:
        return parse_tokens(_checked(await self._post(metadata, metadata.token_endpoint, form, TOKENS), TOKENS))

    async def _post(self, metadata: Metadata, url: str, form: Mapping[str, str], what: str) -> HttpResponse:
        headers, credentials = self._authentication(metadata, url)
        return await self._web.send("POST", url, what, headers=headers, form={**form, **credentials})

    def _authentication(self, metadata: Metadata, url: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return headers and form that authenticate the client (Core, 9)."""
        options, method = self._options, self._method(metadata)
        if method == "private_key_jwt":
            assert options.client_key is not None
            audience = url if options.preset.assertion_audience == "endpoint" else metadata.issuer
            assertion = client_assertion(options.client_id, options.client_key, audience)
            return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        if method == "client_secret_post":
            return {}, {"client_id": options.client_id, "client_secret": options.client_secret}
        # Form-encoded before they are joined (RFC 6749 section 2.3.1).
        pair = f"{quote_plus(options.client_id)}:{quote_plus(options.client_secret)}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}

    def _method(self, metadata: Metadata) -> str:
        """Return how the client authenticates: as configured, else announced."""
        if self._options.client_auth != "auto":
            return self._options.client_auth
        if self._options.client_key is not None:
            return "private_key_jwt"
        offered = metadata.auth_methods or {"client_secret_basic"}
        for method in ("client_secret_basic", "client_secret_post"):
            if method in offered:
                return method
        raise AuthConfigError(
            f"{metadata.issuer} accepts a client secret neither by client_secret_basic nor by client_secret_post; "
            f"it offers {', '.join(sorted(offered))}. Set oidc_client_key_file to the private key of the client."
        )


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier (RFC 7636 section 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_url(metadata: Metadata, parameters: Mapping[str, str]) -> str:
    """Return the URL of an authorization request (RFC 6749 section 3.1)."""
    joint = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(parameters)}"


def parse_tokens(document: Mapping[str, Any]) -> Tokens:
    """Parse a response of the token endpoint.

    Raises:
        ProviderUnavailable: it has no bearer token.
    """
    access = document.get("access_token")
    kind = document.get("token_type", "bearer")
    if not isinstance(access, str) or not access or not isinstance(kind, str) or kind.lower() not in TOKEN_TYPES:
        raise ProviderUnavailable("the token endpoint: the response has no bearer token")
    expires = duration(document.get("expires_in"))  # some providers send a string
    return Tokens(access, _text(document, "id_token"), _text(document, "refresh_token"), expires)


def _checked(response: HttpResponse, what: str) -> dict[str, Any]:
    """Return the document of a successful response.

    Raises:
        GrantRefused, ClientRefused: it names an error of the grant or of the client.
        ProviderUnavailable: it fails for another reason, such as a firewall or an overload.
    """
    if response.is_success:
        document = response.document(what)
        error = document.get("error")  # GitHub responds with 200 and an error; others send null with their tokens
        if not error:
            return document
    else:
        error = response.error
    if error in GRANT_ERRORS:
        raise GrantRefused(error)
    if error in CLIENT_ERRORS:
        raise ClientRefused(error)
    # Other codes are text of the provider's own choice, so they are not repeated.
    code = error if error in OUTAGE_ERRORS else "no known error"
    raise ProviderUnavailable(f"{what}: the provider responded {response.status} ({code})")


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None
