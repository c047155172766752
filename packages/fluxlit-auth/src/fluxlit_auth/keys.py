"""The keys with which an issuer signs: fetched, cached, rotated (OpenID Connect Core section 10.1.1).

`RemoteKeys` follows a JWK Set. A token that names a key which is not in it makes it be fetched again, and so does a
signature that does not fit, because some issuers change a key and keep its name. A stranger can send any number of
tokens with invented names, so that happens at most once in ten seconds for all of them together.

`FixedKeys` never change: a shared secret, or a set that an operator wrote down.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OctKey, OKPKey, RSAKey
from joserfc.util import base64_to_int

from fluxlit_auth.errors import ProviderUnavailable
from fluxlit_auth.refreshed import Ages, Clock, Refreshed
from fluxlit_auth.web import Web

SIGNATURES: Mapping[str, type[Key]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    **dict.fromkeys(("EdDSA", "Ed25519"), OKPKey),
}
"""Algorithms with a private and a public half, and the kind of key that each needs."""

SECRETS: Mapping[str, type[Key]] = dict.fromkeys(("HS256", "HS384", "HS512"), OctKey)
"""Algorithms with one shared secret. They are for `FixedKeys` only: a public key must never serve as a secret."""

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
MIN_RSA_BITS = 2048
MAX_KEYS = 100

KeySet = tuple[Key, ...]


class Keys(Protocol):
    """Where the keys of an issuer come from."""

    async def current(self) -> KeySet:
        """The keys as they are known.

        Raises:
            ProviderUnavailable: none are known and none can be had.
        """
        ...

    async def again(self, seen: KeySet) -> KeySet:
        """Keys that are newer than `seen`; the same ones if there is nothing newer, or it is too early to ask.

        Raises:
            ProviderUnavailable: they cannot be had.
        """
        ...


class FixedKeys:
    """Keys that never change.

    Args:
        keys: what verifies.
    """

    def __init__(self, keys: Collection[Key]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def of_secret(cls, secret: str | bytes) -> FixedKeys:
        """A secret that is shared with the issuer."""
        return cls([OctKey.import_key(secret)])

    async def current(self) -> KeySet:
        """The keys."""
        return self._keys

    async def again(self, seen: KeySet) -> KeySet:
        """The same keys."""
        return seen


class RemoteKeys:
    """The keys in a JWK Set at a URL.

    Args:
        url: where it is, or what finds that out.
        web: the way there.
        ages: how old the set may become; its `pause` is the limit on fetches that tokens cause.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        url: str | Callable[[], Awaitable[str]],
        web: Web,
        ages: Ages | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._url, self._web = url, web
        self._keys = Refreshed(self._fetch, ages, clock)

    async def current(self) -> KeySet:
        """The keys, fetched if they are old."""
        return await self._keys.get()

    async def again(self, seen: KeySet) -> KeySet:
        """The keys, fetched out of turn unless that was done a moment ago."""
        return await self._keys.again(seen)

    async def _fetch(self) -> KeySet:
        url = self._url if isinstance(self._url, str) else await self._url()
        keys = read_key_set(await self._web.document(url, "the provider's keys"))
        if not keys:
            raise ProviderUnavailable("the provider's keys: there is none in the set that could verify a signature")
        return keys


def read_key_set(document: Mapping[str, Any]) -> KeySet:
    """The public keys of a JWK Set that can verify; what is not understood is passed over (RFC 7517 section 5)."""
    found = document.get("keys")
    members = found if isinstance(found, list) else []
    return tuple(key for key in map(_read_key, members[:MAX_KEYS]) if key is not None)


def suitable(keys: KeySet, alg: str, kid: object) -> KeySet:
    """The keys that may have made a signature.

    Args:
        keys: the issuer's.
        alg: algorithm of the token; the caller has checked that it is allowed.
        kid: the name that the token gives its key; `None` if it gives none.
    """
    fitting = tuple(key for key in keys if _fits(key, alg))
    return tuple(key for key in fitting if key.kid == kid) if kid is not None else fitting


def _read_key(member: Any) -> Key | None:
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
