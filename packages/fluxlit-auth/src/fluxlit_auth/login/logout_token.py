"""Logout tokens: Back-Channel Logout 1.0 section 2.6. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.id_token import check_audience, check_issuer, check_times
from fluxlit_auth.jws import Verified

EVENT = "http://schemas.openid.net/event/backchannel-logout"

# Section 2.4 recommends the first. Keycloak sends the second, and some providers none: the event and the missing nonce
# distinguish these tokens from ID tokens as well.
TYPES = frozenset({"logout+jwt", "jwt", ""})

MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """Names the sessions to end.

    Attributes:
        token_id: ``jti``; a token is used once.
        subject: the user; `None` if only a session is named.
        sid: the provider's session; `None` for all sessions of the user.
    """

    token_id: str
    subject: str | None
    sid: str | None


def parse_logout_token(token: Verified, issuer: str, client_id: str, now: float, leeway: float) -> LogoutToken:
    """Parse a logout token with a verified signature.

    Raises:
        TokenRefused: it is not valid. An ID token in particular is no logout token: it has a nonce, another type, and
            no event.
    """
    claims = token.claims
    if str(token.header.get("typ", "")).lower().removeprefix("application/") not in TYPES:
        raise TokenRefused("typ", "the token has another type")
    check_issuer(claims, issuer)
    check_audience(claims, client_id)
    check_times(claims, now, leeway)
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise TokenRefused("events", "the token has no logout event")
    if "nonce" in claims:
        raise TokenRefused("nonce", "a logout token must not have a nonce")
    subject, sid = _string(token, "sub"), _string(token, "sid")
    if subject is None and sid is None:
        raise TokenRefused("sub", "the token names neither a user nor a session")
    token_id = _string(token, "jti")
    if token_id is None:
        raise TokenRefused("jti", "the token has no jti")
    return LogoutToken(token_id, subject, sid)


def _string(token: Verified, name: str) -> str | None:
    value = token.claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise TokenRefused(name, f"the claim {name} must be a string of 1 to {MAX_TEXT} characters")
    return value
