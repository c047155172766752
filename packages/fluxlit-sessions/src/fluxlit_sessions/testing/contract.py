"""The contract of session stores as a pytest suite.

    from fluxlit_sessions.testing import SessionStoreContract

    class TestMyStore(SessionStoreContract):
        @pytest.fixture
        def make_store(self):
            return lambda **options: MyStore("my://...", **options)

Every test runs twice, over the blocking and over the async methods. `make_store` opens
clients of one storage, which starts empty for each test; it must pass `options` on,
above all the clock. Time passes by that clock only, and all lifetimes are minutes or
hours, so a storage that also drops entries by real time is not disturbed by a stall.
Give the clients timeouts that a busy machine cannot exceed.
"""

# ruff: noqa: D102 - a test suite: the names describe the tests
from __future__ import annotations

import dataclasses
import enum
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from fluxlit_sessions.errors import (
    SessionConflict,
    SessionDataError,
    SessionNotFound,
    SessionSealError,
    SessionTooLarge,
)
from fluxlit_sessions.observability import OperationEvent
from fluxlit_sessions.session import Session
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.testing.clients import Clients, MakeStore, together
from fluxlit_sessions.testing.clock import ManualClock
from fluxlit_sessions.testing.model import MINUTE, store_machine

KEY = "k" * 32
OLD_KEY = "o" * 32


class Colour(enum.Enum):
    """An enum that the suite stores."""

    RED = 1


@dataclasses.dataclass(frozen=True)
class Point:
    """A dataclass that the suite stores."""

    x: int
    when: date


VALUES: dict[str, Any] = {
    "none": None,
    "numbers": [0, -1, 2**70, 1.5, True, float("inf")],
    "text": "Grüße \u2028 \0 🙂",
    "nested": {"list": [{"deep": []}], "": {}},
    "moment": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    "offset": datetime(2026, 3, 29, 1, 30, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "zone": datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "local": datetime(2026, 3, 29, 1, 30),  # noqa: DTZ001 - a naive one must come back naive
    "day": date(2026, 2, 28),
    "clock": time(23, 59, 59),
    "span": timedelta(days=-1, microseconds=1),
    "money": Decimal("1.10"),
    "bytes": b"\x00\xff",
    "uuid": UUID(int=7),
    "tuple": (1, (2,)),
    "sets": [{1, 2}, frozenset({"a"}), set()],
    "keys": {1: "one", (2, 3): "pair"},
    "lookalike": {"$date": "not a date"},
    "enum": Colour.RED,
    "dataclass": Point(1, date(2026, 1, 1)),
}


class SessionStoreContract:
    """Subclass it and override `make_store`.

    Attributes:
        shared: two clients see the same sessions. False for a store that lives in one object.
        examples: how many random histories the state machine tries.
    """

    shared: ClassVar[bool] = True
    examples: ClassVar[int] = 20

    @pytest.fixture
    def make_store(self) -> MakeStore:
        raise NotImplementedError("override the fixture make_store")

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture(params=["blocking", "async"])
    def clients(self, make_store: MakeStore, request: pytest.FixtureRequest) -> Iterator[Clients]:
        clients = Clients(make_store, use_async=request.param == "async")
        yield clients
        clients.end()

    @pytest.fixture
    def store(self, clients: Clients, clock: ManualClock) -> SessionStore:
        return clients(clock=clock, idle_ttl=100 * MINUTE, absolute_ttl=1000 * MINUTE, touch_interval=10 * MINUTE)

    # Creating and reading

    def test_a_new_session_reads_back_as_it_was_written(self, store: SessionStore) -> None:
        created = store.create({"cart": ["apple"]}, subject="ada")
        assert store.read(created.id) == created
        assert (created.data, created.version, created.subject) == ({"cart": ["apple"]}, 1, "ada")

    def test_a_session_can_be_empty(self, store: SessionStore) -> None:
        created = store.create()
        assert created.data == {}
        assert store.read(created.id) == created

    def test_every_value_comes_back_equal_and_of_its_type(self, clients: Clients, clock: ManualClock) -> None:
        store = clients(clock=clock, types=[Colour, Point])
        found = _read(store, store.create(VALUES))
        assert found.data == VALUES
        assert {key: _shape(value) for key, value in found.data.items()} == {
            key: _shape(value) for key, value in VALUES.items()
        }

    def test_what_a_caller_does_to_the_data_stays_with_the_caller(self, store: SessionStore) -> None:
        given = {"cart": ["apple"]}
        created = store.create(given)
        given["cart"].append("pear")
        _read(store, created).data["cart"].append("plum")
        created.data["cart"].append("fig")
        assert _read(store, created).data == {"cart": ["apple"]}

    def test_a_value_that_cannot_be_stored_is_refused_by_name(self, store: SessionStore) -> None:
        with pytest.raises(SessionDataError, match=r"data\['a'\]\[1\].*object") as caught:
            store.create({"a": [1, object()]})
        assert caught.value.path == "data['a'][1]"
        assert store.count() == 0

    def test_too_much_data_is_refused_and_changes_nothing(self, clients: Clients, clock: ManualClock) -> None:
        store = clients(clock=clock, max_bytes=100)
        session = store.create({"a": 1})
        for attempt in (store.create, lambda data: store.save(session, data), lambda data: store.rotate(session, data)):
            with pytest.raises(SessionTooLarge, match="'big'") as caught:
                attempt({"big": "x" * 100, "small": 1})
            assert (caught.value.size, caught.value.limit) == (120, 100)
        assert store.read(session.id) == session

    @pytest.mark.parametrize(
        "forged", ["", "x", "A" * 44, "ä" * 44, "A" * 43 + "=", "../../etc/passwd", "*", "A" * 4096]
    )
    def test_an_id_that_the_store_did_not_mint_opens_nothing(self, store: SessionStore, forged: str) -> None:
        store.create()
        assert store.read(forged) is None
        store.delete(forged)
        with pytest.raises(SessionNotFound):
            store.touch(forged)
        assert store.count() == 1

    def test_ids_are_long_and_never_repeat(self, store: SessionStore) -> None:
        ids = [store.create().id for _ in range(50)]
        assert {len(item) for item in ids} == {44}
        assert len({item[2:] for item in ids}) == 50

    def test_neither_id_nor_data_shows_in_a_repr(self, store: SessionStore) -> None:
        session = store.create({"secret": "swordfish"})
        assert session.id not in repr(session)
        assert "swordfish" not in repr(session)
        assert session.handle in repr(session)

    def test_a_secret_of_the_application_leads_to_one_session_in_every_client(
        self, clients: Clients, clock: ManualClock
    ) -> None:
        store = clients(clock=clock, idle_ttl=100 * MINUTE)
        named = store.derive_id("page", "a secret")
        assert store.read(named) is None
        created = store.create({"a": 1}, subject="ada", session_id=named)
        assert (created.id, store.read(store.derive_id("page", "a secret"))) == (named, created)
        for other in (store.derive_id("page", "another"), store.derive_id("login", "a secret")):
            assert store.read(other) is None
        if self.shared:
            assert clients(clock=clock).derive_id("page", "a secret") == named
        assert clients(clock=clock, namespace="elsewhere").derive_id("page", "a secret") != named

    def test_an_id_is_taken_once(self, store: SessionStore, clock: ManualClock) -> None:
        named = store.derive_id("page", "a secret")
        first = store.create({"by": 1}, session_id=named)
        saved = store.save(first, {"by": 2})
        with pytest.raises(SessionConflict) as caught:
            store.create({"by": 3}, session_id=named)
        assert (caught.value.expected, caught.value.found, caught.value.handle) == (0, 2, first.handle)
        assert store.read(named) == saved
        clock.advance(101 * MINUTE)
        assert store.create(session_id=named).version == 1

    @pytest.mark.parametrize("forged", ["", "x", "ä" * 44])
    def test_a_session_is_not_created_under_what_is_no_id(self, store: SessionStore, forged: str) -> None:
        with pytest.raises(SessionNotFound):
            store.create(session_id=forged)
        assert store.count() == 0

    # Saving

    def test_a_save_replaces_the_data_and_counts_up(self, store: SessionStore) -> None:
        first = store.create({"a": 1}, subject="ada")
        second = store.save(first, {"b": 2})
        assert (second.id, second.version, second.data, second.subject) == (first.id, 2, {"b": 2}, "ada")
        assert store.read(first.id) == second
        assert store.save(second, {}).version == 3

    def test_a_save_based_on_an_old_version_is_refused(self, store: SessionStore) -> None:
        old = store.create({"n": 0})
        new = store.save(old, {"n": 1})
        with pytest.raises(SessionConflict) as caught:
            store.save(old, {"n": 9})
        assert (caught.value.expected, caught.value.found, caught.value.handle) == (1, 2, old.handle)
        assert store.read(old.id) == new

    def test_one_of_many_simultaneous_saves_wins(self, store: SessionStore) -> None:
        session = store.create()
        results = together(store, *[("save", session, {"by": number}) for number in range(8)])
        won = [result for result in results if isinstance(result, Session)]
        assert [type(result) for result in results if result not in won] == [SessionConflict] * 7
        assert store.read(session.id) == won[0]

    def test_no_increment_is_lost_between_clients(self, store: SessionStore) -> None:
        session_id = store.create({"n": 0}).id
        saved = 0
        while saved < 20:
            base = store.read(session_id)
            assert base is not None
            saves = [("save", base, {"n": base.data["n"] + 1})] * 3
            saved += sum(isinstance(result, Session) for result in together(store, *saves))
        final = store.read(session_id)
        assert final is not None
        assert (final.data["n"], final.version) == (20, 21)

    def test_a_save_does_not_bring_a_deleted_session_back(self, store: SessionStore) -> None:
        session = store.create()
        store.delete(session.id)
        with pytest.raises(SessionNotFound) as caught:
            store.save(session, {"late": True})
        assert caught.value.handle == session.handle
        assert store.read(session.id) is None
        assert store.count() == 0

    def test_a_deletion_wins_over_the_saves_that_race_it(self, store: SessionStore) -> None:
        for _ in range(10):
            session = store.create()
            together(
                store, ("save", session, {"n": 1}), ("delete", session.id), ("rotate", session), ("touch", session.id)
            )
            if (found := store.read(session.id)) is not None:
                pytest.fail(f"the deleted session is back: {found!r}")

    # Lifetime

    def test_an_unused_session_expires(self, store: SessionStore, clock: ManualClock) -> None:
        session = store.create({"a": 1}, subject="ada")
        clock.advance(99.9 * MINUTE)
        assert store.read(session.id) == session
        clock.advance(0.1 * MINUTE)
        assert store.read(session.id) is None
        assert (store.count(), store.count(subject="ada"), list(store.list())) == (0, 0, [])
        for attempt in (
            lambda: store.save(session, {}),
            lambda: store.rotate(session),
            lambda: store.touch(session.id),
        ):
            with pytest.raises(SessionNotFound):
                attempt()

    def test_reading_is_not_a_use_unless_asked(self, store: SessionStore, clock: ManualClock) -> None:
        read_only, used = store.create(), store.create()
        clock.advance(60 * MINUTE)
        store.read(read_only.id)
        found = store.read(used.id, touch=True)
        assert found is not None
        assert found.expires_at - used.expires_at == timedelta(minutes=60)
        clock.advance(60 * MINUTE)
        assert store.read(read_only.id) is None
        assert store.read(used.id) == found

    def test_a_touch_keeps_the_session_and_its_version(self, store: SessionStore, clock: ManualClock) -> None:
        session = store.create({"a": 1})
        clock.advance(60 * MINUTE)
        assert store.touch(session.id) == session.expires_at + timedelta(minutes=60)
        clock.advance(60 * MINUTE)
        found = _read(store, session)
        assert (found.version, found.data) == (1, {"a": 1})
        assert store.save(session, {"a": 2}).version == 2

    def test_frequent_touches_are_not_recorded(self, store: SessionStore, clock: ManualClock) -> None:
        session = store.create()
        clock.advance(9.9 * MINUTE)
        assert store.touch(session.id) == session.expires_at
        assert _read(store, session, touch=True).expires_at == session.expires_at
        clock.advance(0.1 * MINUTE)
        assert store.touch(session.id) > session.expires_at

    def test_no_use_prolongs_a_session_beyond_its_absolute_end(self, store: SessionStore, clock: ManualClock) -> None:
        session = store.create()
        assert session.absolute_expires_at == session.created_at + timedelta(minutes=1000)
        for step in range(19):
            clock.advance(50 * MINUTE)
            session = store.save(session, {"step": step}) if step % 2 else store.rotate(session)
            store.touch(session.id)
        clock.advance(49.9 * MINUTE)
        assert _read(store, session).expires_at == session.absolute_expires_at
        clock.advance(0.1 * MINUTE)
        assert store.read(session.id) is None

    def test_a_save_is_a_use(self, store: SessionStore, clock: ManualClock) -> None:
        session = store.create()
        clock.advance(5 * MINUTE)
        assert store.save(session, {}).expires_at == session.expires_at + timedelta(minutes=5)

    # Deleting

    def test_a_deleted_session_is_gone_and_can_be_deleted_again(self, store: SessionStore) -> None:
        session, other = store.create(subject="ada"), store.create(subject="ada")
        store.delete(session.id)
        store.delete(session.id)
        assert store.read(session.id) is None
        assert [info.handle for info in store.list(subject="ada")] == [other.handle]

    # Rotating

    def test_rotation_gives_a_new_id_and_kills_the_old(self, store: SessionStore) -> None:
        old = store.create({"a": 1}, subject="ada")
        new = store.rotate(old)
        assert (new.data, new.subject, new.version, new.created_at) == ({"a": 1}, "ada", 2, old.created_at)
        assert new.id != old.id
        assert new.handle != old.handle
        assert store.read(old.id) is None
        assert store.read(new.id) == new
        with pytest.raises(SessionNotFound):
            store.save(old, {})

    def test_rotation_binds_a_user_and_releases_one(self, store: SessionStore) -> None:
        anonymous = store.create()
        bound = store.rotate(anonymous, {"b": 2}, subject="ada")
        assert (bound.subject, bound.data) == ("ada", {"b": 2})
        assert _handles(store, "ada") == {bound.handle}
        other = store.rotate(bound, subject="bob")
        assert (_handles(store, "ada"), _handles(store, "bob")) == (set(), {other.handle})
        released = store.rotate(other, subject=None)
        assert (released.subject, _handles(store, "bob")) == (None, set())
        assert store.read(released.id) == released

    def test_rotation_of_an_old_version_is_refused(self, store: SessionStore) -> None:
        old = store.create()
        new = store.save(old, {"a": 1})
        with pytest.raises(SessionConflict):
            store.rotate(old)
        assert store.read(old.id) == new

    def test_rotation_of_a_dead_session_is_refused(self, store: SessionStore) -> None:
        session = store.create()
        store.delete(session.id)
        with pytest.raises(SessionNotFound):
            store.rotate(session)
        assert store.count() == 0

    def test_one_of_many_simultaneous_rotations_wins(self, store: SessionStore) -> None:
        session = store.create(subject="ada")
        results = together(store, *[("rotate", session)] * 6)
        won = [result for result in results if isinstance(result, Session)]
        assert len(won) == 1
        assert {type(result) for result in results if result not in won} == {SessionNotFound}
        assert _handles(store, "ada") == {won[0].handle}

    def test_a_session_can_be_rotated_again_and_again(self, store: SessionStore) -> None:
        session = store.create({"n": 0})
        for _ in range(5):
            session = store.rotate(session, {"n": session.data["n"] + 1})
        assert store.read(session.id) == session
        assert (session.version, session.data, store.count()) == (6, {"n": 5}, 1)

    # Values that can be taken once

    def test_a_value_is_given_out_once(self, store: SessionStore) -> None:
        token = store.put_once("login", {"nonce": "n"}, ttl=60 * MINUTE)
        assert store.take_once("login", token) == {"nonce": "n"}
        assert store.take_once("login", token) is None

    def test_one_of_many_simultaneous_takers_gets_the_value(self, store: SessionStore) -> None:
        token = store.put_once("login", {"nonce": "n"}, ttl=60 * MINUTE)
        results = together(store, *[("take_once", "login", token)] * 8)
        assert sorted(results, key=str) == [None] * 7 + [{"nonce": "n"}]

    def test_a_value_is_for_its_purpose_and_its_time(self, store: SessionStore, clock: ManualClock) -> None:
        token = store.put_once("login", {"a": 1}, ttl=60 * MINUTE)
        assert store.take_once("logout", token) is None
        clock.advance(60 * MINUTE)
        assert store.take_once("login", token) is None

    def test_tokens_and_session_ids_are_different_things(self, store: SessionStore) -> None:
        token, session = store.put_once("login", {"a": 1}, ttl=60 * MINUTE), store.create()
        assert store.read(token) is None
        assert store.take_once("login", session.id) is None
        assert store.take_once("login", "forged") is None
        assert store.count() == 1

    # Operators

    def test_a_listing_shows_all_sessions_and_opens_none(self, store: SessionStore, clock: ManualClock) -> None:
        anonymous, bound = store.create(), store.create({"a": "b" * 50}, subject="ada")
        clock.advance(20 * MINUTE)
        saved = store.save(anonymous, {})
        listed = {info.handle: info for info in store.list()}
        assert set(listed) == {anonymous.handle, bound.handle}
        info = listed[saved.handle]
        assert (info.subject, info.version, info.expires_at) == (None, 2, saved.expires_at)
        assert info.touched_at - info.created_at == timedelta(minutes=20)
        assert listed[bound.handle].subject == "ada"
        assert 50 < listed[bound.handle].size < 200
        assert store.read(bound.handle) is None

    def test_a_long_listing_is_complete(self, store: SessionStore) -> None:
        handles = {store.create({"n": number}).handle for number in range(600)}
        assert {info.handle for info in store.list()} == handles
        assert store.count() == len(handles)

    def test_sessions_are_found_counted_and_ended_by_subject(self, store: SessionStore) -> None:
        ada = [store.create(subject="ada") for _ in range(3)]
        bob = store.create(subject="bob")
        store.create()
        assert _handles(store, "ada") == {session.handle for session in ada}
        assert [store.count(subject=name) for name in ("ada", "bob", "nobody")] == [3, 1, 0]
        assert store.delete_subject("ada") == 3
        assert store.delete_subject("ada") == 0
        assert [store.read(session.id) for session in ada] == [None] * 3
        assert store.read(bob.id) == bob
        assert (store.count(), store.count(subject="ada")) == (2, 0)

    def test_ending_a_users_sessions_catches_those_that_rotate(self, store: SessionStore) -> None:
        for _ in range(5):
            sessions = [store.create(subject="ada") for _ in range(4)]
            together(store, ("delete_subject", "ada"), *[("rotate", session) for session in sessions])
            assert store.count(subject="ada") == 0

    def test_an_operator_ends_a_session_by_its_handle(self, store: SessionStore) -> None:
        session, other = store.create(), store.create()
        store.revoke(session.handle)
        store.revoke("not a handle")
        assert store.read(session.id) is None
        assert store.read(other.id) == other

    def test_a_subject_can_be_any_short_text(self, store: SessionStore) -> None:
        name = "https://issuer.example/|Ünïcode *{}" + "x" * 200
        session = store.create(subject=name)
        assert [info.subject for info in store.list(subject=name)] == [name]
        assert _read(store, session).subject == name
        for bad in ("", "x" * 256):
            with pytest.raises(SessionDataError, match="subject"):
                store.create(subject=bad)

    # Several clients

    def test_another_client_sees_what_this_one_does(self, clients: Clients, clock: ManualClock) -> None:
        if not self.shared:
            pytest.skip("this store lives in one object")
        one, two = clients(clock=clock), clients(clock=clock)
        session = one.create({"a": 1}, subject="ada")
        assert two.read(session.id) == session
        changed = two.save(session, {"a": 2})
        with pytest.raises(SessionConflict):
            one.save(session, {"a": 3})
        moved = one.rotate(changed)
        assert two.read(session.id) is None
        assert two.take_once("login", one.put_once("login", {}, ttl=9 * MINUTE)) == {}
        two.delete(moved.id)
        assert one.count() == 0

    def test_namespaces_do_not_see_each_other(self, clients: Clients, clock: ManualClock) -> None:
        one, two = clients(clock=clock, namespace="one"), clients(clock=clock, namespace="one.two")
        session = one.create({"a": 1}, subject="ada")
        token = one.put_once("login", {}, ttl=60 * MINUTE)
        assert (two.read(session.id), two.take_once("login", token), two.count(), two.count(subject="ada")) == (
            None,
            None,
            0,
            0,
        )
        two.delete(session.id)
        two.revoke(session.handle)
        assert two.delete_subject("ada") == 0
        assert one.read(session.id) == session
        assert one.count() == 1

    # Encryption

    def test_encrypted_sessions_work_alike(self, clients: Clients, clock: ManualClock) -> None:
        pytest.importorskip("cryptography")
        store = clients(clock=clock, keys=[KEY])
        session = store.save(store.create({"a": 1}, subject="ada"), {"a": 2})
        session = store.rotate(session, subject="bob")
        assert store.read(session.id) == session
        assert [info.subject for info in store.list(subject="bob")] == ["bob"]
        assert store.take_once("login", store.put_once("login", {"n": 1}, ttl=9 * MINUTE)) == {"n": 1}
        assert store.delete_subject("bob") == 1

    def test_keys_can_be_replaced_without_losing_sessions(self, clients: Clients, clock: ManualClock) -> None:
        pytest.importorskip("cryptography")
        if not self.shared:
            pytest.skip("this store lives in one object")
        old, both, new = (clients(clock=clock, keys=keys) for keys in ([OLD_KEY], [KEY, OLD_KEY], [KEY]))
        session = old.create({"a": 1}, subject="ada")
        assert both.read(session.id) == session
        assert (both.count(subject="ada"), [info.subject for info in both.list(subject="ada")]) == (1, ["ada"])
        with pytest.raises(SessionSealError, match="not among keys"):
            new.read(session.id)
        moved = both.rotate(both.save(session, {"a": 2}))
        assert new.read(moved.id) == moved
        assert both.delete_subject("ada") == 1

    def test_encryption_cannot_be_switched_off_from_inside_the_store(
        self, clients: Clients, clock: ManualClock
    ) -> None:
        pytest.importorskip("cryptography")
        if not self.shared:
            pytest.skip("this store lives in one object")
        plain, sealed = clients(clock=clock), clients(clock=clock, keys=[KEY])
        with pytest.raises(SessionSealError, match="not encrypted"):
            sealed.read(plain.create().id)
        with pytest.raises(SessionSealError, match="no keys"):
            plain.read(sealed.create().id)

    # Watching

    def test_every_operation_is_reported(self, clients: Clients, clock: ManualClock) -> None:
        events: list[OperationEvent] = []
        store = clients(clock=clock, observer=events.append)
        session = store.create()
        store.read("forged")
        store.save(session, {})
        with pytest.raises(SessionConflict):
            store.save(session, {})
        store.delete(session.id)
        with pytest.raises(SessionNotFound):
            store.touch(session.id)
        assert [(event.operation, event.outcome) for event in events] == [
            ("create", "ok"),
            ("read", "missing"),
            ("save", "ok"),
            ("save", "conflict"),
            ("delete", "ok"),
            ("touch", "missing"),
        ]
        assert all(event.seconds >= 0 and event.started_ns > 10**18 for event in events)

    def test_the_store_responds_and_has_a_location(self, store: SessionStore) -> None:
        store.ping()
        assert store.available
        assert "://" in store.location

    # All together

    def test_many_threads_share_one_store(self, make_store: MakeStore, clock: ManualClock) -> None:
        store, failures = make_store(clock=clock), list[BaseException]()

        def work(number: int) -> None:
            try:
                for step in range(10):
                    session = store.save(store.create({"by": number}), {"by": number, "step": step})
                    assert store.read(session.id) == session
            except BaseException as error:  # noqa: BLE001 - reported by the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        count = store.count()
        store.close()
        assert (failures, count) == ([], 80)

    def test_random_histories_agree_with_a_dict(self, clients: Clients) -> None:
        run_state_machine_as_test(
            store_machine(clients),
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=30,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def _read(store: SessionStore, session: Session, *, touch: bool = False) -> Session:
    found = store.read(session.id, touch=touch)
    assert found is not None
    return found


def _handles(store: SessionStore, subject: str) -> set[str]:
    return {info.handle for info in store.list(subject=subject)}


def _shape(value: Any) -> Any:
    """Returns the types inside a value."""
    if isinstance(value, dict):
        return {_shape(key): _shape(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return (type(value), *(_shape(item) for item in value))
    if isinstance(value, datetime):
        return (datetime, value.isoformat(), getattr(value.tzinfo, "key", None), value.fold)
    return type(value)
