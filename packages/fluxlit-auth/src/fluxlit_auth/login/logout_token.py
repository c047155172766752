"""Logout tokens: OpenID Connect Back-Channel Logout 1.0 section 2.6, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.id_token import check_audience, check_issuer, check_times
from fluxlit_auth.jws import Verified

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = frozenset({"logout+jwt", "jwt", ""})
"""Section 2.4 recommends the first. Keycloak, for one, has long sent the second, and some send none at all: the event
and the missing nonce tell these tokens from ID tokens as well."""

MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """Whose sessions are to end.

    Attributes:
        token_id: used once.
        subject: the user; `None` if only a session is named.
        sid: the provider's session; `None` for all of the user's.
    """

    token_id: str
    subject: str | None
    sid: str | None


def read_logout_token(token: Verified, issuer: str, client_id: str, now: float, leeway: float) -> LogoutToken:
    """Reads a logout token whose signature is the issuer's.

    Raises:
        TokenRefused: it is not what it has to be. An ID token, above all, is no logout token: it has a nonce, another
            type, and no event.
    """
    claims = token.claims
    if str(token.header.get("typ", "")).lower().removeprefix("application/") not in TYPES:
        raise TokenRefused("typ", "the token is of another type")
    check_issuer(claims, issuer)
    check_audience(claims, client_id)
    check_times(claims, now, leeway)
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise TokenRefused("events", "the token is about another event")
    if "nonce" in claims:
        raise TokenRefused("nonce", "a logout token has no nonce")
    subject, sid = _text(token, "sub"), _text(token, "sid")
    if subject is None and sid is None:
        raise TokenRefused("sub", "the token names neither a user nor a session")
    token_id = _text(token, "jti")
    if token_id is None:
        raise TokenRefused("jti", "the token has no id")
    return LogoutToken(token_id, subject, sid)


def _text(token: Verified, name: str) -> str | None:
    value = token.claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise TokenRefused(name, f"the claim {name} of the token is no text")
    return value
