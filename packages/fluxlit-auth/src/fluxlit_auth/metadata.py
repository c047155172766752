"""Provider metadata (Discovery 1.0, RFC 8414), strictly parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fluxlit_auth.errors import AuthConfigError, ProviderMismatch
from fluxlit_auth.http_client import checked_url, is_loopback, is_private

# Requests that this process sends itself. Browsers ask the other endpoints.
BACK_CHANNEL = frozenset(
    {
        *("token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint"),
        "pushed_authorization_request_endpoint",
    }
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of one provider.

    Attributes:
        issuer: its identifier, exactly as it appears in tokens.
        authorization_endpoint: browsers log in there.
        token_endpoint: exchanges codes for tokens.
        jwks_uri: its keys; empty if it has no ID tokens.
        userinfo_endpoint: empty if there is none, as for the following.
        end_session_endpoint: logout at the provider (OpenID Connect RP-Initiated Logout 1.0).
        revocation_endpoint: revokes a token (RFC 7009).
        par_endpoint: accepts pushed authorization requests (RFC 9126).
        par_required: it accepts no others.
        names_itself: authorization responses carry ``iss`` (RFC 9207).
        algorithms: signature algorithms of its ID tokens; empty if it does not state them.
        auth_methods: client authentication methods of the token endpoint; empty if it does not state them.
        scopes: that it offers; empty if it does not state them.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str = ""
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    revocation_endpoint: str = ""
    par_endpoint: str = ""
    par_required: bool = False
    names_itself: bool = False
    algorithms: frozenset[str] = frozenset()
    auth_methods: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()


def configuration_url(issuer: str) -> str:
    """Return the URL of the metadata (OpenID Connect Discovery 1.0 section 4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def parse_metadata(document: Mapping[str, Any], issuer: str, url: str = "") -> Metadata:
    """Parse a metadata document.

    A provider in a private network has two addresses: browsers use the issuer's, this process uses that of `url`.
    Endpoints that this process asks are then asked there, also if the document names them at the issuer's.

    Args:
        document: as it was fetched.
        issuer: the expected issuer.
        url: where it was fetched, if that is not the usual place.

    Raises:
        ProviderMismatch: the issuer is another one (ASVS 10.5.3), or an endpoint is missing or uses no TLS.
    """
    if document.get("issuer") != issuer:
        raise ProviderMismatch(
            f"the metadata at {url or issuer} name another issuer. Set oidc_issuer to the issuer exactly as its "
            f"metadata spell it, a slash at the end included."
        )
    plain = issuer.startswith("http://") and is_loopback(urlsplit(issuer).hostname or "")
    inside = _origin(url) if url and is_private(urlsplit(url).hostname or "") else ""

    def endpoint(name: str, *, required: bool = False) -> str:
        found = document.get(name)
        if not found and not required:  # some providers send null or an empty string
            return ""
        private = False
        if inside and name in BACK_CHANNEL and isinstance(found, str):
            found = inside + found.removeprefix(_origin(found)) if _origin(found) == _origin(issuer) else found
            private = _origin(found) == inside
        try:
            return checked_url(found, f"{name} in the metadata of {issuer}", plain=plain, private=private)
        except AuthConfigError as error:
            raise ProviderMismatch(str(error)) from None

    return Metadata(
        issuer=issuer,
        authorization_endpoint=endpoint("authorization_endpoint", required=True),
        token_endpoint=endpoint("token_endpoint", required=True),
        jwks_uri=endpoint("jwks_uri", required=True),
        userinfo_endpoint=endpoint("userinfo_endpoint"),
        end_session_endpoint=endpoint("end_session_endpoint"),
        revocation_endpoint=endpoint("revocation_endpoint"),
        par_endpoint=endpoint("pushed_authorization_request_endpoint"),
        par_required=document.get("require_pushed_authorization_requests") is True,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        algorithms=_words(document.get("id_token_signing_alg_values_supported")),
        auth_methods=_words(document.get("token_endpoint_auth_methods_supported")),
        scopes=_words(document.get("scopes_supported")),
    )


def _origin(url: str) -> str:
    """Return scheme and authority of a URL, as it writes them."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.partition('/')[0].partition('?')[0]}"


def _words(value: Any) -> frozenset[str]:
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else frozenset()
