"""Access token validation: RFC 9068 section 4, RFC 8725. No I/O.

The signature is verified elsewhere (jws.py).
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from collections.abc import Collection

from fluxlit_auth.claims import numeric_date
from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.jws import Verified

FOREIGN_TYPES = frozenset({"logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt"})
"""Types of tokens for other purposes, signed with the same keys (RFC 8725 section 3.11)."""


def claimed_issuer(token: str) -> str:
    """Return the unverified issuer of a token, to select its keys.

    Raises:
        TokenRefused: it has none.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        issuer = claims["iss"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        raise TokenRefused("format", "the token does not name its issuer") from None
    if not isinstance(issuer, str):
        raise TokenRefused("iss", "the token does not name its issuer")
    return issuer


def check(token: Verified, *, issuer: str, audiences: Collection[str], now: float, leeway: float) -> float:
    """Validate the claims of a token.

    Args:
        token: the token.
        issuer: expected issuer.
        audiences: accepted audiences.
        now: seconds since the epoch.
        leeway: seconds by which clocks may differ.

    Returns:
        Its expiry with leeway, in seconds since the epoch.

    Raises:
        TokenRefused: `reason` names the claim.
    """
    claims = token.claims
    kind = token.header.get("typ")
    if isinstance(kind, str) and kind.lower().removeprefix("application/") in FOREIGN_TYPES:
        raise TokenRefused("typ", "the token is for another purpose")
    if claims.get("iss") != issuer:
        raise TokenRefused("iss", "the token is from another issuer")
    aud = claims.get("aud")
    named = aud if isinstance(aud, list) else [aud]
    if not any(isinstance(each, str) and each in audiences for each in named):
        raise TokenRefused("aud", "the token is for another audience")
    expires = numeric_date(claims, "exp")
    if expires is None:
        raise TokenRefused("exp", "the token has no exp")
    if now >= expires + leeway:
        raise TokenRefused("exp", "the token has expired")
    for name in ("nbf", "iat"):
        begins = numeric_date(claims, name)
        if begins is not None and now < begins - leeway:
            raise TokenRefused(name, "the token is not valid yet")
    return expires + leeway
