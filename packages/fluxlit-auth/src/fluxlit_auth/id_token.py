"""ID token validation: OpenID Connect Core 1.0 section 3.1.3.7. No I/O.

The signature has been verified before (jws.py). Step numbers below are those of that section.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from typing import Any

from fluxlit_auth.claims import numeric_date
from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.jws import Verified

MAX_SUBJECT = 255
MAX_AGE_S = 600.0
"""An ID token arrives seconds after it was issued; a much older one was not made for this login."""

HASHES = {"256": sha256, "384": sha384, "512": sha512}


@dataclass(frozen=True, slots=True)
class Expected:
    """The values that a token must match.

    Attributes:
        issuer: of the token.
        client_id: its audience.
        now: seconds since the epoch.
        leeway: seconds by which the clocks of provider and gateway may differ.
        nonce: of this login; `None` after a refresh, which has none.
        access_token: issued together with it.
        code: exchanged for it.
        subject: of the login, after a refresh.
    """

    issuer: str
    client_id: str
    now: float
    leeway: float = 30.0
    nonce: str | None = None
    access_token: str | None = None
    code: str | None = None
    subject: str | None = None


def check_id_token(token: Verified, expected: Expected) -> None:
    """Raise `TokenRefused` unless the token is valid."""
    claims = token.claims
    check_issuer(claims, expected.issuer)
    check_audience(claims, expected.client_id)
    check_times(claims, expected.now, expected.leeway)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise TokenRefused("sub", "the ID token has no valid sub")
    if expected.subject is not None and subject != expected.subject:
        raise TokenRefused("sub", "the refreshed ID token has another subject")
    _check_nonce(claims, expected)
    _check_half_hash(token, "at_hash", expected.access_token)
    _check_half_hash(token, "c_hash", expected.code)


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    """Step 2: the issuer is the provider of this login."""
    if claims.get("iss") != issuer:
        raise TokenRefused("iss", "the token is from another issuer")


def check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Steps 3 to 5: the token is for this client and no other."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise TokenRefused("aud", "the token is for another client")
    party = claims.get("azp")
    if (len(audiences) > 1 and party is None) or (party is not None and party != client_id):
        raise TokenRefused("azp", "the token was issued to another client")


def check_times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    """Steps 9 and 10: the token has not expired and was issued recently."""
    expires, issued = numeric_date(claims, "exp"), numeric_date(claims, "iat")
    if expires is None or expires <= now - leeway:
        raise TokenRefused("exp", "the token has expired, or has no valid exp")
    if issued is None or not now - MAX_AGE_S - leeway <= issued <= now + leeway:
        raise TokenRefused("iat", "the token was issued in the future or too long ago, or has no valid iat")
    if "nbf" in claims and ((begins := numeric_date(claims, "nbf")) is None or begins > now + leeway):
        raise TokenRefused("nbf", "the token is not valid yet")


def _check_nonce(claims: Mapping[str, Any], expected: Expected) -> None:
    """Step 11: the nonce is that of this login. A refresh has none."""
    nonce = claims.get("nonce")
    if expected.nonce is None:
        return
    if nonce != expected.nonce:
        raise TokenRefused("nonce", "the ID token belongs to another login")


def _check_half_hash(token: Verified, name: str, value: str | None) -> None:
    """Section 3.1.3.8: access token and code match their hashes, if any."""
    claim = token.claims.get(name)
    if claim is None or value is None:
        return
    if claim != half_hash(value, str(token.header["alg"])):
        raise TokenRefused(name, "the ID token does not match what was issued with it")


def half_hash(value: str, alg: str) -> str:
    """Return the left half of a hash in base64url (section 3.1.3.6).

    EdDSA names no hash; Ed25519 uses SHA-512 internally, and providers use that.
    """
    digest = HASHES.get(alg[-3:], sha512)(value.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
