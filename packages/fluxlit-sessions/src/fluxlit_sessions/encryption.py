# ruff: noqa: D102 - the methods are those of Sealer and documented there
"""Envelopes: how stored bytes are protected.

Without keys an envelope is the plain bytes behind a mark. With keys it is AES-256-GCM:

    0x01 | key id, 4 bytes | nonce, 12 bytes | ciphertext and tag

The data key is derived from the configured key and from a secret of the record. For a
session's data that secret is the session id, which no store ever holds: a dump of the
store together with the configured key still opens nothing. It also means that few
messages are ever sealed with one data key, so random nonces cannot run out (NIST SP
800-38D allows 2**32). The context (key of the record, version, subject) is authenticated,
so an envelope does not open in another record, under another version or for another user.

With keys, an envelope without encryption is refused: who can write to the store must
not be able to switch encryption off.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Protocol

from fluxlit_sessions.errors import SessionSealError, SessionStoreError

_PLAIN, _SEALED = b"\x00", b"\x01"
_KEY_ID = 4
_NONCE = 12
MIN_SECRET = 32


class Sealer(Protocol):
    """Protects stored bytes and names subjects in an index."""

    def seal(self, plain: bytes, *, secret: bytes, context: bytes) -> bytes:
        """Returns `plain` encrypted for one secret and context."""
        ...

    def open(self, envelope: bytes, *, secret: bytes, context: bytes) -> bytes:
        """Returns what was sealed, or raises `SessionSealError`."""
        ...

    def tags(self, subject: str) -> tuple[bytes, ...]:
        """Returns the 32-byte tags of a subject, that of the current key first."""
        ...


class PlainSealer:
    """No encryption."""

    def seal(self, plain: bytes, *, secret: bytes, context: bytes) -> bytes:
        return _PLAIN + plain

    def open(self, envelope: bytes, *, secret: bytes, context: bytes) -> bytes:
        if not envelope.startswith(_PLAIN):
            raise SessionSealError("the session is encrypted and this store has no keys (keys=[...])")
        return envelope[1:]

    def tags(self, subject: str) -> tuple[bytes, ...]:
        return (hashlib.sha256(b"fluxlit-sessions subject\0" + subject.encode()).digest(),)


class KeyRing:
    """Encryption with key rotation: the first key seals, every key opens.

    Args:
        keys: secrets of at least 32 characters or bytes with the strength of 256 random bits, newest first.
            Keep a replaced key for as long as sessions live (``absolute_ttl``).

    Raises:
        SessionStoreError: no key, a short key, or the package ``cryptography`` is missing.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        try:
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - cryptography is optional
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        except ImportError as error:
            raise SessionStoreError(
                'Encrypted sessions need the package cryptography: pip install "fluxlit-sessions[encryption]".'
            ) from error
        self._aead, self._invalid = AESGCM, InvalidTag
        self._keys = {}
        for key in keys:
            master = _master(key)
            self._keys[_derive(master, b"id", b"")[:_KEY_ID]] = master
        if not self._keys:
            raise SessionStoreError("keys=[] holds no key; leave keys out for a store without encryption.")
        self._current = next(iter(self._keys))

    def seal(self, plain: bytes, *, secret: bytes, context: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        cipher = self._aead(_derive(self._keys[self._current], b"data", secret))
        return _SEALED + self._current + nonce + cipher.encrypt(nonce, plain, context)

    def open(self, envelope: bytes, *, secret: bytes, context: bytes) -> bytes:
        if not envelope.startswith(_SEALED):
            raise SessionSealError("the session is not encrypted, and this store only accepts encrypted ones")
        master = self._keys.get(envelope[1 : 1 + _KEY_ID])
        if master is None:
            raise SessionSealError("the session is encrypted with a key that is not among keys=[...]")
        start = 1 + _KEY_ID + _NONCE
        cipher = self._aead(_derive(master, b"data", secret))
        try:
            return cipher.decrypt(envelope[1 + _KEY_ID : start], envelope[start:], context)
        except (self._invalid, ValueError) as error:
            raise SessionSealError("the session has been changed or moved inside the store") from error

    def tags(self, subject: str) -> tuple[bytes, ...]:
        return tuple(_derive(master, b"subject", subject.encode()) for master in self._keys.values())


def _master(key: str | bytes) -> bytes:
    raw = key.encode() if isinstance(key, str) else key
    if len(raw) < MIN_SECRET:
        raise SessionStoreError(
            f"A session key needs at least {MIN_SECRET} random characters; "
            f"make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return hmac.digest(b"fluxlit-sessions/1", raw, "sha256")  # the extract step of HKDF, RFC 5869


def _derive(master: bytes, label: bytes, info: bytes) -> bytes:
    return hmac.digest(master, label + b"\0" + info + b"\x01", "sha256")  # one block of HKDF's expand step
