"""The limits of the store in memory, and what works when it is full."""

from __future__ import annotations

import contextlib
import logging

import pytest

from fluxlit_sessions import (
    MemorySessionStore,
    OperationEvent,
    SessionStoreError,
    SessionStoreFull,
    SessionStoreUnavailable,
    open_store,
)
from fluxlit_sessions.testing import ManualClock


def fill(store: MemorySessionStore) -> list[str]:
    ids: list[str] = []
    with contextlib.suppress(SessionStoreFull):
        while len(ids) < 1000:
            ids.append(store.create({"n": len(ids)}).id)
    return ids


def test_sessions_without_a_user_take_half_of_the_entries() -> None:
    store = MemorySessionStore(max_entries=10)
    ids = fill(store)
    assert len(ids) == 5
    users = [store.create(subject=f"user {number}") for number in range(5)]
    assert all(store.read(session_id) for session_id in ids)
    assert [store.read(session.id) for session in users] == users


def test_a_new_user_session_removes_anonymous_sessions_and_none_of_a_user() -> None:
    clock = ManualClock()
    store = MemorySessionStore(clock=clock, max_entries=10, touch_interval=0)
    ids = fill(store)
    clock.advance(1)
    store.touch(ids[0])
    users = [store.create(subject=f"user {number}") for number in range(9)]
    assert [bool(store.read(session_id)) for session_id in ids] == [True, False, False, False, False]
    users.append(store.create(subject="one more"))
    assert store.read(ids[0]) is None
    with pytest.raises(SessionStoreFull, match="10 of 10 entries"):
        store.create(subject="one too many")
    assert [store.read(session.id) for session in users] == users


def test_bytes_are_limited_as_entries_are() -> None:
    store = MemorySessionStore(max_total_bytes=100_000)
    with pytest.raises(SessionStoreFull, match="of 50000 bytes"):
        store.create({"large": "x" * 50_000})
    visitor = store.create({"large": "x" * 40_000})
    with pytest.raises(SessionStoreFull):
        store.save(visitor, {"large": "x" * 50_000})
    assert store.read(visitor.id) == visitor
    assert store.save(visitor, {"large": "x" * 39_000}).version == 2
    user = store.create({"large": "x" * 90_000}, subject="ada")
    assert (store.read(visitor.id), store.read(user.id)) == (None, user)


def test_values_to_be_taken_once_take_a_quarter_and_sessions_do_not_take_it_from_them() -> None:
    store = MemorySessionStore(max_entries=12)
    fill(store)
    tokens = [store.put_once("login", {"n": number}, ttl=60) for number in range(3)]
    with pytest.raises(SessionStoreFull, match="3 of 3 take-once values"):
        store.put_once("login", {}, ttl=60)
    assert [store.take_once("login", token) for token in tokens] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_full_store_still_reads_uses_rotates_and_ends_sessions() -> None:
    clock = ManualClock()
    store = MemorySessionStore(clock=clock, max_entries=4)
    visitor = store.create({"n": 1})
    users = [store.create({"n": 1}, subject=f"user {number}") for number in range(3)]
    with pytest.raises(SessionStoreFull):
        store.create()
    clock.advance(120)
    assert store.touch(users[0].id) > users[0].expires_at
    assert store.save(users[0], {"n": 2}).version == 2
    assert store.rotate(visitor, subject="ada").subject == "ada"
    assert store.rotate(users[1]).version == 2
    store.delete(users[0].id)
    assert store.delete_subject("user 2") == 1
    assert store.create().version == 1


def test_what_has_expired_makes_room() -> None:
    clock = ManualClock()
    store = MemorySessionStore(clock=clock, max_entries=10, idle_ttl=10)
    fill(store)
    clock.advance(10)
    assert len(fill(store)) == 5


def test_vital_records_are_not_those_of_visitors() -> None:
    store = MemorySessionStore(max_entries=4, vital=True)
    assert [store.create({"n": number}).version for number in range(4)] == [1] * 4
    with pytest.raises(SessionStoreFull):
        store.create()


def test_full_is_reported_as_such_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    events: list[OperationEvent] = []
    store = MemorySessionStore(max_entries=2, observer=events.append)
    store.create()
    for _ in range(3):
        with pytest.raises(SessionStoreUnavailable, match="memory:// is full: 1 of 1 anonymous sessions") as caught:
            store.create()
    assert isinstance(caught.value, SessionStoreFull)
    assert (caught.value.operation, caught.value.may_have_applied, store.available) == ("create", False, True)
    assert [event.outcome for event in events] == ["ok", "full", "full", "full"]
    (record,) = caplog.records
    assert (record.levelno, record.message.startswith("session store memory:// is full: 1 of 1")) == (
        logging.WARNING,
        True,
    )


def test_the_limits_stand_in_the_url() -> None:
    store = open_store("memory://?max_entries=2&max_total_bytes=5000")
    store.create()
    with pytest.raises(SessionStoreFull):
        store.create()
    with pytest.raises(SessionStoreError, match="at least 1"):
        open_store("memory://?max_entries=0")
