"""Provider metadata (Discovery 1.0, RFC 8414), strictly parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluxlit_auth.errors import AuthConfigError, ProviderMismatch
from fluxlit_auth.http_client import checked_url, is_loopback


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


def configuration_url(issuer: str) -> str:
    """Return the URL of the metadata (OpenID Connect Discovery 1.0 section 4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def parse_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Parse a metadata document.

    Args:
        document: as it was fetched.
        issuer: the expected issuer.

    Raises:
        ProviderMismatch: the issuer is another one (ASVS 10.5.3), or an endpoint is missing or uses no TLS.
    """
    if document.get("issuer") != issuer:
        raise ProviderMismatch(
            f"the metadata under {issuer} name another issuer. Set oidc_issuer to the issuer exactly as its metadata "
            f"spell it, a slash at the end included."
        )
    plain = issuer.startswith("http://") and is_loopback(issuer.partition("//")[2].partition("/")[0].partition(":")[0])

    def endpoint(name: str, *, required: bool = False) -> str:
        if document.get(name) is None and not required:
            return ""
        try:
            return checked_url(document.get(name), f"{name} in the metadata of {issuer}", plain=plain)
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
    )


def _words(value: Any) -> frozenset[str]:
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else frozenset()
