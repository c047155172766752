"""The bytes that a store keeps, and secrets to search in them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tests.sessions.servers import RedisServer

KEYS = ["current-key-" * 3]


SECRET = "swordfish-2c1f"


SUBJECT = "ada.lovelace@example.org"


Dump = Callable[[], bytes]


def redis_dump(server: RedisServer, namespace: str) -> bytes:
    """Return all keys of a namespace with their values, raw and as on disk."""
    parts: list[bytes] = []
    with server.client() as client:
        for key in client.scan_iter(f"*:{namespace}:*", count=1000):
            kind = client.type(key)
            value = client.get(key) if kind == b"string" else b" ".join(client.zrange(key, 0, -1))
            parts += [key, client.dump(key), value]
    return b"\n".join(parts)


def spellings(secret: str) -> list[bytes]:
    """Return ways in which an id could be written down."""
    raw = base64.urlsafe_b64decode(secret)
    return [secret.encode(), raw, raw[1:], raw.hex().encode(), base64.b64encode(raw[1:]).rstrip(b"=")]


def use(store: Any) -> list[str]:
    """Use every operation; return all ids and tokens that were ever given out."""
    session = store.create({"secret": SECRET}, subject=SUBJECT)
    saved = store.save(session, {"secret": SECRET, "n": 1})
    store.touch(saved.id)
    moved = store.rotate(saved)
    deleted = store.create({"secret": SECRET})
    store.delete(deleted.id)
    waiting, taken = (store.put_once("login", {"verifier": SECRET}, ttl=3600) for _ in range(2))
    store.take_once("login", taken)
    assert len(list(store.list())) == 1
    return [session.id, moved.id, deleted.id, waiting, taken]
