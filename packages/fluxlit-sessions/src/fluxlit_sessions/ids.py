"""Session ids, and the keys under which records are stored.

An id is 33 random bytes in base64url: 44 characters without padding, so one id has
exactly one spelling. The last 32 bytes are the secret (256 bits). The first byte is
the shard: the part of a sharded store with the record. It stays the same when the
id is rotated, because a Redis Cluster can move a record atomically only
within one hash slot.

A store never sees an id. It sees a `Key`: the shard and the SHA-256 digest of the id.
256 random bits cannot be guessed, so the digest needs neither salt nor a slow hash.
Namespace and purpose go into the digest: an id means nothing elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import Enum

SHARDS = 256
_ID = re.compile(r"[A-Za-z0-9_-]{44}", re.ASCII)
_HANDLE = re.compile(r"[0-9a-f]{66}", re.ASCII)


class Kind(Enum):
    """Kinds of records; listings show sessions only."""

    SESSION = "s"
    ONCE = "o"


@dataclass(frozen=True, slots=True)
class Key:
    """Where a record is stored.

    Attributes:
        kind: a session or a take-once value.
        shard: 0 to 255, the part of a sharded store.
        digest: 32 bytes, SHA-256 of the id.
    """

    kind: Kind
    shard: int
    digest: bytes

    @property
    def handle(self) -> str:
        """66 hexadecimal digits that name the record in logs; they open nothing."""
        return f"{self.shard:02x}{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class Minted:
    """An id together with the key it becomes.

    Attributes:
        text: the id, a secret.
        secret: the bytes of the id, also a secret.
        key: where the record is stored.
    """

    text: str
    secret: bytes
    key: Key

    def __repr__(self) -> str:
        return f"<Minted {self.key.handle}>"


class Ids:
    """Mints and reads the ids of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace.encode()

    def mint(self, kind: Kind = Kind.SESSION, purpose: str = "", *, shard: int | None = None) -> Minted:
        """Returns a new id of 256 random bits, in the given or a random shard."""
        first = secrets.randbelow(SHARDS) if shard is None else shard
        raw = bytes([first]) + secrets.token_bytes(32)
        return self._minted(raw, kind, purpose)

    def derive(self, purpose: str, secret: str) -> Minted:
        """Returns the id for a secret of the application; always the same one."""
        text = b"\0".join((b"fluxlit-sessions/1 derived", self._namespace, purpose.encode(), secret.encode()))
        return self._minted(hashlib.sha512(text).digest()[:33], Kind.SESSION, "")

    def parse(self, text: str, kind: Kind = Kind.SESSION, purpose: str = "") -> Minted | None:
        """Returns the id and its key, `None` if `text` is not shaped like an id."""
        if not _ID.fullmatch(text):
            return None
        return self._minted(base64.urlsafe_b64decode(text), kind, purpose)

    def _minted(self, raw: bytes, kind: Kind, purpose: str) -> Minted:
        label = b"\0".join((b"fluxlit-sessions/1", self._namespace, kind.value.encode(), purpose.encode(), b""))
        key = Key(kind, raw[0], hashlib.sha256(label + raw).digest())
        return Minted(base64.urlsafe_b64encode(raw).decode(), raw, key)


def key_of_handle(handle: str) -> Key | None:
    """Returns the key of a session, `None` if `handle` is not a handle."""
    if not _HANDLE.fullmatch(handle):
        return None
    return Key(Kind.SESSION, int(handle[:2], 16), bytes.fromhex(handle[2:]))
