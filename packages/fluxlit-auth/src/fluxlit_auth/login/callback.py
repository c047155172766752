"""What a provider sends back through the browser, read strictly and without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from fluxlit_auth.errors import LoginRefused
from fluxlit_auth.login.attempts import Attempt
from fluxlit_auth.metadata import Metadata

MAX_QUERY = 8192
READ = frozenset({"code", "state", "iss", "error"})

# RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6, in words for the person in front of the screen.
ERRORS = {
    "access_denied": "The sign-in was cancelled, or you are not allowed to use this application.",
    "login_required": "The provider wants you to sign in again.",
    "interaction_required": "The provider needs something more from you.",
    "consent_required": "The provider needs your consent.",
    "account_selection_required": "The provider wants you to choose an account.",
    "temporarily_unavailable": "The provider is not available at the moment.",
    "server_error": "The provider had a problem of its own.",
}
OTHER_ERROR = "The provider refused the sign-in."


@dataclass(frozen=True, slots=True)
class Callback:
    """The parameters of an authorization response.

    Attributes:
        state: names the attempt.
        code: to redeem.
        issuer: who answers (RFC 9207).
        error: why there is no code.
    """

    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    issuer: str | None = None
    error: str | None = None


def read_callback(query: bytes) -> Callback:
    """The response in a query.

    Raises:
        LoginRefused: there is no state, or a parameter that matters comes twice (RFC 6749 section 3.1).
    """
    if len(query) > MAX_QUERY:
        raise LoginRefused("format", "the answer is too long")
    found: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in READ and name in found:
            raise LoginRefused("duplicate", f"the answer has two parameters {name}")
        found[name] = value
    if not found.get("state"):
        raise LoginRefused("state", "the answer has no state")
    return Callback(found["state"], found.get("code"), found.get("iss"), found.get("error"))


def code_of(callback: Callback, attempt: Attempt, metadata: Metadata) -> str:
    """The code in the answer to an attempt.

    Raises:
        LoginRefused: another provider answers (RFC 9207 section 2.4), or this one says no, or it says nothing.
    """
    if attempt.issuer != metadata.issuer:
        raise LoginRefused("issuer", "the sign-in was begun at another provider than the one that is configured now")
    if callback.issuer is None and metadata.names_itself:
        raise LoginRefused("iss", "the provider names itself in its answers, and this answer does not")
    if callback.issuer is not None and callback.issuer != metadata.issuer:
        raise LoginRefused("iss", "another provider answers than the one that was asked")
    if callback.error is not None:
        raise LoginRefused(callback.error if callback.error in ERRORS else "error", "the provider refused")
    if not callback.code:
        raise LoginRefused("code", "the answer has no code")
    return callback.code
