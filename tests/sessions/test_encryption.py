"""Encrypted records: what they hide, and what they do not open."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions import KeyRing, RedisSessionStore, SessionSealError, SessionStoreError, SQLiteSessionStore
from fluxlit_sessions.encryption import PlainSealer
from tests.sessions.dumps import KEYS, SECRET, SUBJECT, Dump, spellings, use
from tests.sessions.servers import PATIENT, RedisServer


def test_with_encryption_no_data_and_no_name_is_stored_either(place: tuple[Callable[..., Any], Dump]) -> None:
    make, dump = place
    given = use(make(keys=KEYS))
    stored = dump()
    assert len(stored) > 500
    assert SECRET.encode() not in stored
    assert SUBJECT.encode() not in stored
    assert [item for item in given if any(spelling in stored for spelling in spellings(item))] == []


def encrypted(server: RedisServer, namespace: str) -> RedisSessionStore:
    return RedisSessionStore(server.url, namespace=namespace, keys=KEYS, **PATIENT)


def test_a_record_does_not_open_in_the_place_of_another(redis_server: RedisServer, namespace: str) -> None:
    with encrypted(redis_server, namespace) as store, redis_server.client() as client:
        victim, attacker = store.create({"who": "victim"}), store.create({"who": "attacker"})
        keys = {bytes.fromhex(session.handle[2:]): session for session in (victim, attacker)}
        names = {
            keys[base64.urlsafe_b64decode(name.rsplit(b":", 1)[1] + b"=")].handle: name
            for name in client.scan_iter(match=f"fluxlit:1:{namespace}:*")
        }
        client.copy(names[victim.handle], names[attacker.handle], replace=True)
        with pytest.raises(SessionSealError, match="moved"):
            store.read(attacker.id)
        assert store.read(victim.id) == victim


def test_a_record_does_not_open_under_another_version_or_without_its_user(
    redis_server: RedisServer, namespace: str
) -> None:
    with encrypted(redis_server, namespace) as store, redis_server.client() as client:
        session = store.create({"n": 1}, subject=SUBJECT)
        (name,) = client.scan_iter(match=f"fluxlit:1:{namespace}:*:s:*")
        whole = client.get(name)
        client.setrange(name, 1, (7).to_bytes(8, "big"))
        with pytest.raises(SessionSealError):
            store.read(session.id)
        size = int.from_bytes(whole[137:139], "big")
        client.set(name, whole[:137] + b"\0\0" + whole[139 + size :])
        with pytest.raises(SessionSealError):
            store.read(session.id)
        client.set(name, whole)
        assert store.read(session.id) == session


def test_a_key_ring_opens_what_any_of_its_keys_sealed() -> None:
    old, new = KeyRing(["old" * 11]), KeyRing(["new" * 11, "old" * 11])
    sealed = old.seal(b"plain", secret=b"s", context=b"c")
    assert new.open(sealed, secret=b"s", context=b"c") == b"plain"
    assert old.tags("ada")[0] in new.tags("ada")
    for bad in (
        {"secret": b"x", "context": b"c"},
        {"secret": b"s", "context": b"x"},
    ):
        with pytest.raises(SessionSealError):
            new.open(sealed, **bad)
    for number, position in itertools.product([1], range(len(sealed))):
        broken = bytearray(sealed)
        broken[position] ^= number
        with pytest.raises(SessionSealError):
            new.open(bytes(broken), secret=b"s", context=b"c")
    for short in (b"", b"\x01", sealed[:10], sealed[:20]):
        with pytest.raises(SessionSealError):
            new.open(short, secret=b"s", context=b"c")


def test_the_same_plain_text_never_looks_the_same_twice() -> None:
    ring = KeyRing(KEYS)
    assert len({ring.seal(b"plain", secret=b"s", context=b"c") for _ in range(20)}) == 20


@pytest.mark.parametrize("keys", [[], ["short"], ["x" * 32, ""]])
def test_weak_keys_are_refused(keys: list[str]) -> None:
    with pytest.raises(SessionStoreError, match="key"):
        KeyRing(keys)


def test_an_unencrypted_store_refuses_what_it_cannot_read() -> None:
    sealed = KeyRing(KEYS).seal(b"x", secret=b"s", context=b"c")
    with pytest.raises(SessionSealError, match="no keys"):
        PlainSealer().open(sealed, secret=b"s", context=b"c")


def test_a_listing_shows_records_that_no_key_opens_as_such(tmp_path: Path) -> None:
    """A record under a former key or without encryption hides no other."""
    path = tmp_path / "s.db"
    with SQLiteSessionStore(path, keys=["o" * 40]) as old, SQLiteSessionStore(path) as plain:
        old.create(subject=SUBJECT)
        plain.create(subject=SUBJECT)
    with SQLiteSessionStore(path, keys=["n" * 40]) as store:
        mine = store.create(subject="ada")
        found = list(store.list())
        shown = sorted((each.subject or "", each.readable) for each in found)
        assert shown == [("", False), ("", False), ("ada", True)]
        for each in found:
            if not each.readable:
                store.revoke(each.handle)
        assert [each.handle for each in store.list()] == [mine.handle]
