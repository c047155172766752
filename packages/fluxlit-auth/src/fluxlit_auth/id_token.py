"""What an ID token must say: OpenID Connect Core 1.0 section 3.1.3.7, without I/O.

The signature has been checked before (jws.py). The numbers below are the steps of that section.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from typing import Any

from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.jws import Verified

MAX_SUBJECT = 255
MAX_AGE_S = 600.0
"""An ID token of a login is redeemed seconds after it was issued; one that is much older comes from elsewhere."""

FAR_AWAY_S = 1e15
"""No date; integers of JSON have no limit, and some are no floats any more."""

HASHES = {"256": sha256, "384": sha384, "512": sha512}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token has to agree with.

    Attributes:
        issuer: who must have issued it.
        client_id: whom it must be for.
        now: seconds since the epoch.
        leeway: seconds by which the clocks of provider and gateway may differ.
        nonce: the one of this login; `None` after a refresh, which has none of its own.
        access_token: what came with it.
        code: what it was redeemed for.
        subject: who it must be about, after a refresh.
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
    """Raises `TokenRefused` unless the token says what it must."""
    claims = token.claims
    check_issuer(claims, expected.issuer)
    check_audience(claims, expected.client_id)
    check_times(claims, expected.now, expected.leeway)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise TokenRefused("sub", "the ID token does not say who logged in")
    if expected.subject is not None and subject != expected.subject:
        raise TokenRefused("sub", "the new ID token is about somebody else")
    _check_nonce(claims, expected)
    _check_half_hash(token, "at_hash", expected.access_token)
    _check_half_hash(token, "c_hash", expected.code)


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    """Step 2: the issuer is the one that was asked."""
    if claims.get("iss") != issuer:
        raise TokenRefused("iss", "the token is from another issuer")


def check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Steps 3 to 5: the token is for this client, and nobody else was authorised to use it."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise TokenRefused("aud", "the token is for another client")
    party = claims.get("azp")
    if (len(audiences) > 1 and party is None) or (party is not None and party != client_id):
        raise TokenRefused("azp", "the token was issued to another client")


def check_times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    """Steps 9 and 10: it has not expired, and was issued a moment ago."""
    expires, issued = moment(claims, "exp"), moment(claims, "iat")
    if expires is None or expires <= now - leeway:
        raise TokenRefused("exp", "the token has expired, or does not say when it does")
    if issued is None or not now - MAX_AGE_S - leeway <= issued <= now + leeway:
        raise TokenRefused("iat", "the token was issued in the future, too long ago, or does not say when")
    if "nbf" in claims and ((begins := moment(claims, "nbf")) is None or begins > now + leeway):
        raise TokenRefused("nbf", "the token is not valid yet")


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim that is a time in seconds since the epoch; `None` if it is absent or no number (RFC 7519 section 2)."""
    value = claims.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return value if abs(value) < FAR_AWAY_S else None  # NaN compares to nothing


def _check_nonce(claims: Mapping[str, Any], expected: Expected) -> None:
    """Step 11. A token of a refresh should have none; one that has one must not be another login's."""
    nonce = claims.get("nonce")
    if expected.nonce is None:
        return
    if nonce != expected.nonce:
        raise TokenRefused("nonce", "the ID token belongs to another login")


def _check_half_hash(token: Verified, name: str, value: str | None) -> None:
    """Section 3.1.3.8: what came with the token belongs to it. Where it is optional, it is checked if it is there."""
    claim = token.claims.get(name)
    if claim is None or value is None:
        return
    if claim != half_hash(value, str(token.header["alg"])):
        raise TokenRefused(name, "what came with the ID token does not belong to it")


def half_hash(value: str, alg: str) -> str:
    """The left half of the hash that belongs to an algorithm, in base64url (section 3.1.3.6).

    EdDSA names no hash; Ed25519 uses SHA-512 inside, and that is what providers take.
    """
    digest = HASHES.get(alg[-3:], sha512)(value.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
