"""Signatures of tokens. id_token.py and others check their content."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry, extract_compact

from fluxlit_auth.errors import TokenRefused, UnknownKey
from fluxlit_auth.keys import SECRETS, SIGNATURES, Keys, KeySet, suitable


class _Registry(JWSRegistry):
    """Ignores unknown header parameters (RFC 7515 section 4)."""

    max_header_length = 8192
    max_payload_length = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verified:
    """A token with a valid signature of its issuer.

    Attributes:
        header: JOSE header.
        claims: content.
    """

    header: dict[str, Any]
    claims: dict[str, Any] = field(repr=False)


async def verify(token: str, keys: Keys, algorithms: Collection[str]) -> Verified:
    """Verify the signature of a token.

    Args:
        token: in compact form (RFC 7515 section 7.1).
        keys: of the issuer.
        algorithms: accepted ones. They come from the configuration, never from the token.

    Raises:
        TokenRefused: it is malformed, of another algorithm, or not signed by any of the keys.
        ProviderUnavailable: the keys cannot be fetched.
    """
    header = _header(token)
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in algorithms or (alg not in SIGNATURES and alg not in SECRETS):
        raise TokenRefused("alg", "the token uses a signature algorithm that is not allowed")
    known = await keys.current()
    try:
        return _verified(token, alg, _only(suitable(known, alg, kid), kid))
    except TokenRefused as refused:
        if refused.reason not in {"key", "signature"}:
            raise
        newer = await keys.again(known)
        if newer is known:
            raise
        return _verified(token, alg, _only(suitable(newer, alg, kid), kid))


def _header(token: str) -> dict[str, Any]:
    try:
        header = extract_compact(token.encode("ascii"), registry=_Registry()).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        raise TokenRefused("format", "the token is not a signed token in compact form") from None
    return dict(header)


def _only(keys: KeySet, kid: object) -> Key:
    """Return the only candidate.

    With several, a token must name its key (OpenID Connect Core section 10.1).
    """
    if not keys:
        raise UnknownKey("the token is signed with a key that its issuer does not publish")
    if len(keys) > 1 and kid is None:
        raise UnknownKey("the token does not name its key, and its issuer has several")
    return keys[0]


def _verified(token: str, alg: str, key: Key) -> Verified:
    registry = _Registry(algorithms=[alg], strict_check_header=False)
    try:
        found = jwt.decode(token, key, algorithms=[alg], registry=registry)
    except BadSignatureError:
        raise TokenRefused("signature", "the signature of the token does not match") from None
    except (JoseError, ValueError, TypeError, RecursionError):
        raise TokenRefused("format", "the token cannot be parsed") from None
    if not is_finite(found.claims):
        raise TokenRefused("format", "the token contains a number that is not finite")
    return Verified(dict(found.header), found.claims)


def is_finite(claims: Any) -> bool:
    """Whether claims are JSON; Python also parses NaN and 1e400."""
    try:
        json.dumps(claims, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True
