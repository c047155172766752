"""Keys of an issuer: fetched, cached, rotated.

`RemoteKeys` follows a JWK Set (OpenID Connect Core section 10.1.1). It is fetched again when a token names an unknown
key, or when a signature does not match, because some issuers change a key and keep its name. A client can send any
number of tokens with invented names, so this happens at most once in ten seconds for all tokens together.

`FixedKeys` never change: a shared secret, or a configured set.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OctKey, OKPKey, RSAKey
from joserfc.util import base64_to_int

from fluxlit_auth.cache import CachedValue, CacheLifetimes, Clock
from fluxlit_auth.errors import ProviderUnavailable
from fluxlit_auth.http_client import HttpClient

SIGNATURES: Mapping[str, type[Key]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    **dict.fromkeys(("EdDSA", "Ed25519"), OKPKey),
}
"""Algorithms with a private and a public key, and the type of key that each needs."""

SECRETS: Mapping[str, type[Key]] = dict.fromkeys(("HS256", "HS384", "HS512"), OctKey)
"""Algorithms with one shared secret, for `FixedKeys` only: a public key must never serve as a secret."""

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
MIN_RSA_BITS = 2048
MAX_KEYS = 100

KeySet = tuple[Key, ...]


class Keys(Protocol):
    """A source of an issuer's keys."""

    async def current(self) -> KeySet:
        """Return the current keys.

        Raises:
            ProviderUnavailable: none are cached and none can be fetched.
        """
        ...

    async def again(self, seen: KeySet) -> KeySet:
        """Return keys that are newer than `seen`, or `seen` itself.

        Raises:
            ProviderUnavailable: they cannot be fetched.
        """
        ...


class FixedKeys:
    """Keys that never change.

    Args:
        keys: verify signatures.
    """

    def __init__(self, keys: Collection[Key]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def of_secret(cls, secret: str | bytes) -> FixedKeys:
        """Return the keys of an issuer with a shared secret."""
        return cls([OctKey.import_key(secret)])

    async def current(self) -> KeySet:
        """Return the keys."""
        return self._keys

    async def again(self, seen: KeySet) -> KeySet:
        """Return the same keys."""
        return seen


class RemoteKeys:
    """The keys in a JWK Set at a URL.

    Args:
        url: address of the set, or a function that returns it.
        web: HTTP client.
        lifetimes: of the cached set; `pause` limits the fetches that tokens cause.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        url: str | Callable[[], Awaitable[str]],
        web: HttpClient,
        lifetimes: CacheLifetimes | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._url, self._web = url, web
        self._keys = CachedValue(self._fetch, lifetimes, clock)

    async def current(self) -> KeySet:
        """Return the keys, fetched if they are old."""
        return await self._keys.get()

    async def again(self, seen: KeySet) -> KeySet:
        """Return the keys, fetched out of turn if `pause` has passed."""
        return await self._keys.again(seen)

    async def _fetch(self) -> KeySet:
        url = self._url if isinstance(self._url, str) else await self._url()
        keys = parse_key_set(await self._web.document(url, "the provider's keys"))
        if not keys:
            raise ProviderUnavailable("the provider's keys: the set has no key that can verify a signature")
        return keys


def parse_key_set(document: Mapping[str, Any]) -> KeySet:
    """Return the usable keys of a JWK Set (RFC 7517 section 5)."""
    found = document.get("keys")
    members = found if isinstance(found, list) else []
    return tuple(key for key in map(_parse_key, members[:MAX_KEYS]) if key is not None)


def suitable(keys: KeySet, alg: str, kid: object) -> KeySet:
    """Return the keys that may have made a signature.

    Args:
        keys: of the issuer.
        alg: algorithm of the token; the caller has checked that it is allowed.
        kid: key name in the token; `None` if it has none.
    """
    fitting = tuple(key for key in keys if _fits(key, alg))
    return tuple(key for key in fitting if key.kid == kid) if kid is not None else fitting


def _parse_key(member: Any) -> Key | None:
    if not isinstance(member, dict) or member.get("kty") not in {"RSA", "EC", "OKP"}:
        return None
    try:
        if member["kty"] == "RSA" and base64_to_int(member["n"]).bit_length() < MIN_RSA_BITS:
            return None
        return JWKRegistry.import_key(member)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _fits(key: Key, alg: str) -> bool:
    kind = SIGNATURES.get(alg) or SECRETS.get(alg)
    if kind is None or not isinstance(key, kind):
        return False
    operations = key.get("key_ops")
    if key.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return False
    curve = CURVES.get(alg)
    return key.get("alg", alg) == alg and (curve is None or key.get("crv") == curve)
