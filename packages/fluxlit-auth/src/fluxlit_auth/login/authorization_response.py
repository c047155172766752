"""Authorization responses of a provider, strictly parsed. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from fluxlit_auth.errors import LoginRefused
from fluxlit_auth.login.authorization_request import AuthorizationRequest
from fluxlit_auth.metadata import Metadata

MAX_QUERY = 8192
PARAMETERS = frozenset({"code", "state", "iss", "error"})

# RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6, as messages for the user.
ERRORS = {
    "access_denied": "The sign-in was cancelled, or your account may not use this application.",
    "login_required": "The identity provider requires a new sign-in.",
    "interaction_required": "The identity provider requires more information from you.",
    "consent_required": "The identity provider requires your consent.",
    "account_selection_required": "The identity provider requires you to choose an account.",
    "temporarily_unavailable": "The identity provider is temporarily unavailable.",
    "server_error": "The identity provider reported an internal error.",
}
OTHER_ERROR = "The identity provider refused the sign-in."


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """The parameters of an authorization response.

    Attributes:
        state: names the request.
        code: authorization code.
        issuer: the provider that responds (RFC 9207).
        error: error code in place of a code.
    """

    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    issuer: str | None = None
    error: str | None = None


def parse_authorization_response(query: bytes) -> AuthorizationResponse:
    """Parse the query of a callback.

    Raises:
        LoginRefused: there is no state, or a parameter is repeated (RFC 6749 section 3.1).
    """
    if len(query) > MAX_QUERY:
        raise LoginRefused("format", "authorization response exceeds the size limit")
    found: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in PARAMETERS and name in found:
            raise LoginRefused("duplicate", f"authorization response repeats the parameter {name}")
        found[name] = value
    if not found.get("state"):
        raise LoginRefused("state", "authorization response without state")
    return AuthorizationResponse(found["state"], found.get("code"), found.get("iss"), found.get("error"))


def authorization_code(response: AuthorizationResponse, request: AuthorizationRequest, metadata: Metadata) -> str:
    """Return the code of a response that belongs to a request.

    Raises:
        LoginRefused: another provider responds (RFC 9207 section 2.4), it reports an error, or it sends no code.
    """
    if request.issuer != metadata.issuer:
        raise LoginRefused("issuer", "the sign-in began at another provider than the configured one")
    if response.issuer is None and metadata.names_itself:
        raise LoginRefused("iss", "authorization response without iss, which this provider always sends")
    if response.issuer is not None and response.issuer != metadata.issuer:
        raise LoginRefused("iss", "authorization response from another provider")
    if response.error is not None:
        raise LoginRefused(response.error if response.error in ERRORS else "error", "the provider reported an error")
    if not response.code:
        raise LoginRefused("code", "authorization response without code")
    return response.code
