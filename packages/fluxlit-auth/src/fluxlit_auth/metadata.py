"""What a provider says about itself (OpenID Connect Discovery 1.0, RFC 8414), read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluxlit_auth.errors import AuthConfigError, ProviderMismatch
from fluxlit_auth.web import checked_url, is_loopback


@dataclass(frozen=True, slots=True)
class Metadata:
    """The facts of one provider.

    Attributes:
        issuer: its name, exactly as it appears in tokens.
        authorization_endpoint: where browsers are sent.
        token_endpoint: where codes are redeemed.
        jwks_uri: its keys; empty for one without ID tokens.
        userinfo_endpoint: empty if there is none, as for the following.
        end_session_endpoint: logout at the provider (OpenID Connect RP-Initiated Logout 1.0).
        revocation_endpoint: ends a token (RFC 7009).
        par_endpoint: takes authorization requests ahead (RFC 9126).
        par_required: it takes no others.
        names_itself: authorization responses carry ``iss`` (RFC 9207).
        algorithms: those with which it signs ID tokens; empty if it does not say.
        auth_methods: how clients may authenticate at the token endpoint; empty if it does not say.
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
    """Where the metadata of an issuer are (OpenID Connect Discovery 1.0 section 4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    """The facts in a metadata document.

    Args:
        document: as it was fetched.
        issuer: whose it has to be.

    Raises:
        ProviderMismatch: it is another issuer's (ASVS 10.5.3), lacks an endpoint, or has one without TLS.
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
