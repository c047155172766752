"""Copies of live sessions: who has a session, what is lost, and what happens while the store is away."""

from __future__ import annotations

import asyncio
import copy as copy_module
import logging
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fluxlit_sessions import MemorySessionStore, SessionStoreFull, SessionStoreUnavailable
from fluxlit_sessions.copies import Copies, Copy, Found, Limits
from fluxlit_sessions.copies.writer import LOOK_S, Writer
from fluxlit_sessions.testing import ManualClock

NAME = "0f8fad5b-d9cb-469f-a165-70867728950e"
ADA = {"email": "ada@example.com"}


class Heard:
    """Notes what a writer says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.more = threading.Condition()

    def _note(self, what: str) -> None:
        with self.more:
            self.said.append(what)
            self.more.notify_all()

    def taken(self, copy: Copy) -> None:
        self._note("taken")

    def away(self) -> None:
        self._note("away")

    def back(self) -> None:
        self._note("back")

    def wait_for(self, what: str) -> None:
        with self.more:
            assert self.more.wait_for(lambda: what in self.said, 60), self.said


class Faulty:
    """A store that can be switched off, or lose the answers to writes."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.off = self.lose = self.full = False
        self.writes = 0

    def with_idle_ttl(self, _seconds: float) -> Faulty:
        return self

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._store, name)
        if name not in ("create", "save", "read", "aread", "delete", "touch"):
            return function

        def call(*args: Any, **options: Any) -> Any:
            if self.full and name in ("create", "save"):
                raise SessionStoreFull("it is full", location="memory")
            if self.off:
                raise SessionStoreUnavailable("it is off", location="memory")
            result = function(*args, **options)
            self.writes += name in ("create", "save")
            if self.lose and name in ("create", "save"):
                self.lose = False
                raise SessionStoreUnavailable("cut", location="memory", may_have_applied=True)
            return result

        return call


class Process:
    """A worker's half: copies, and who hears of them."""

    def __init__(self, store: Any, **limits: Any) -> None:
        self.heard = Heard()
        self.copies = Copies(store, self.heard, Limits(**limits))

    def begin(self, identity: dict[str, Any] | None = None) -> Copy:
        return self.copies.begin(NAME, identity or {})

    def save(self, copy: Copy, state: dict[str, Any]) -> None:
        copy.put(state, {}, {})
        self.copies.submit(copy)
        self.settle(copy)

    def settle(self, copy: Copy) -> None:
        done = threading.Event()
        if copy.call_when_saved(done.set):
            assert done.wait(60)

    def look(self, name: str = NAME) -> Found | None:
        return asyncio.run(self.copies.look(name))

    def resume(self, identity: dict[str, Any] | None = None) -> tuple[Copy, dict[str, Any]] | None:
        found = self.look()
        assert found is not None
        taken = self.copies.take_over(NAME, found, identity or {})
        if taken is not None:
            self.copies.submit(taken[0])
            self.settle(taken[0])
        return taken


@pytest.fixture
def store() -> Faulty:
    return Faulty(MemorySessionStore())


@pytest.fixture
def processes(store: Faulty) -> Iterator[tuple[Process, Process]]:
    both = Process(store), Process(store)
    yield both
    store.off = False
    for process in both:
        process.copies.close(60)


def test_another_process_goes_on_with_what_was_saved_last(processes: tuple[Process, Process]) -> None:
    one, other = processes
    copy = one.begin()
    one.save(copy, {"cart": ["apple"]})
    one.save(copy, {"cart": ["apple", "pear"], "when": {1, 2}})
    taken = other.resume()
    assert taken is not None
    assert taken[1]["state"] == {"cart": ["apple", "pear"], "when": {1, 2}}


@pytest.mark.parametrize("name", ["", "x", NAME.replace("0", "1"), "../../etc", "ä"])
def test_an_id_of_no_session_finds_nothing_and_creates_nothing(
    processes: tuple[Process, Process], store: Faulty, name: str
) -> None:
    assert processes[0].look(name) is None
    assert store.count() == 0


def test_a_copy_opens_for_its_user_alone_and_is_left_as_it_is_for_others(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.save(one.begin(ADA), {"cart": 1})
    assert other.resume({"email": "bob@example.com"}) is None
    assert other.resume({}) is None
    found = other.look()
    assert found is not None
    assert found.session.subject == "ada@example.com"
    assert other.resume(ADA) is not None


def test_nothing_in_the_store_tells_the_id_of_a_session_or_who_its_anonymous_user_is(store: Faulty) -> None:
    process = Process(store)
    process.save(process.begin({"token": "swordfish"}), {"cart": 1})
    dump = repr(vars(store._store._backend))
    assert "cart" in dump
    assert NAME not in dump
    assert "swordfish" not in dump


def test_who_has_lost_a_session_learns_it_and_writes_nothing_more(processes: tuple[Process, Process]) -> None:
    one, other = processes
    old = one.begin()
    one.save(old, {"n": 1})
    taken = other.resume()
    assert taken is not None
    old.put({"n": 99}, {}, {})
    one.copies.submit(old)
    one.heard.wait_for("taken")
    assert old.lost
    other.save(taken[0], {"n": 2})
    again = one.resume()
    assert again is not None
    assert again[1]["state"] == {"n": 2}


def test_a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses(
    processes: tuple[Process, Process], store: Faulty
) -> None:
    one, other = processes
    copy = one.begin()
    for state in ({"n": 1}, {"n": 2}):
        store.lose = True
        one.save(copy, state)
    assert one.heard.said == ["away", "back"] * 2
    taken = other.resume()
    assert taken is not None
    assert taken[1]["state"] == {"n": 2}


def test_a_store_that_has_lost_everything_gets_it_again(processes: tuple[Process, Process], store: Faulty) -> None:
    one, other = processes
    copy = one.begin()
    one.save(copy, {"n": 1})
    one.save(copy, {"n": 2})
    for info in store.list():
        store.revoke(info.handle)
    one.save(copy, {"n": 3})
    taken = other.resume()
    assert taken is not None
    assert taken[1]["state"] == {"n": 3}


def test_a_store_that_came_back_with_older_data_does_not_win(processes: tuple[Process, Process], store: Faulty) -> None:
    one, other = processes
    before = one.begin()
    one.save(before, {"n": 1})
    backend = store._store._backend
    backup = copy_module.deepcopy(backend._entries)
    taken = other.resume()
    assert taken is not None
    other.save(taken[0], {"n": 2})
    backend._entries = backup
    other.save(taken[0], {"n": 3})
    found = other.look()
    assert found is not None
    assert (found.owner, other.heard.said) == (taken[0].owner, [])


def test_an_outage_loses_nothing_and_the_newest_is_written_after_it(
    processes: tuple[Process, Process], store: Faulty
) -> None:
    one, other = processes
    copy = one.begin()
    one.save(copy, {"n": 1})
    store.off = True
    for n in range(2, 6):
        copy.put({"n": n}, {}, {})
        one.copies.submit(copy)
    one.heard.wait_for("away")
    assert (copy.dirty, one.copies.down) == (True, True)
    with pytest.raises(SessionStoreUnavailable):
        other.look()
    store.off = False
    one.settle(copy)
    one.heard.wait_for("back")
    assert not one.copies.down
    taken = other.resume()
    assert taken is not None
    assert taken[1]["state"] == {"n": 5}


def test_what_has_not_changed_is_not_written_again(processes: tuple[Process, Process], store: Faulty) -> None:
    one, _ = processes
    copy = one.begin()
    one.save(copy, {"n": 1})
    assert copy.put({"n": 1}, {}, {}) is False
    assert (copy.dirty, store.writes) == (False, 1)


def test_values_that_cannot_be_stored_are_left_out_and_named_once(
    processes: tuple[Process, Process], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = processes
    copy = one.begin()
    with caplog.at_level(logging.WARNING):
        one.save(copy, {"model": object(), "n": 1})
        one.save(copy, {"model": object(), "n": 2})
    taken = other.resume()
    assert taken is not None
    assert (taken[1]["state"], taken[1]["lost"]) == ({"n": 2}, {"model": "builtins.object"})
    assert [record.message.count("'model'") for record in caplog.records] == [2]


def test_the_largest_values_are_left_out_where_a_session_is_too_large(caplog: pytest.LogCaptureFixture) -> None:
    process = Process(MemorySessionStore(max_bytes=2000))
    process.save(process.begin(), {"big": "x" * 3000, "small": "y" * 100})
    taken = process.resume()
    assert taken is not None
    assert taken[1]["state"] == {"small": "y" * 100}
    assert taken[1]["lost"] == {"big": "too large: 3002 bytes"}
    process.copies.close(60)


def test_nobody_goes_on_with_a_session_that_has_been_logged_out(processes: tuple[Process, Process]) -> None:
    one, other = processes
    copy = one.begin(ADA)
    one.save(copy, {"n": 1})
    copy.end()
    one.copies.submit(copy)
    one.settle(copy)
    one.save(copy, {"n": 2})
    assert other.look() is None


def test_the_copy_of_an_open_tab_is_kept_alive_and_that_of_a_closed_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr("fluxlit_sessions.copies.copy.time", SimpleNamespace(time=clock))
    store = MemorySessionStore(clock=clock, idle_ttl=100, touch_interval=1)
    process = Process(store)
    copy = process.begin()
    process.save(copy, {"n": 1})
    for _ in range(5):
        clock.advance(60)
        copy.keep_alive()
        assert process.look() is not None
    copy.attached = False
    clock.advance(60)
    copy.keep_alive()
    clock.advance(60)
    assert process.look() is None
    process.copies.close(60)


def test_all_is_written_before_a_process_ends(store: Faulty) -> None:
    process = Process(store)
    copies = [process.copies.begin(f"{NAME}{number}", {}) for number in range(100)]
    for copy in copies:
        copy.put({"n": 1}, {}, {})
        process.copies.submit(copy)
    assert process.copies.close(60)
    assert store.count() == 100


def test_a_thread_that_misses_the_end_does_not_hold_it_up() -> None:
    writer = Writer(Heard(), list, 1)
    writer.close(0)
    started = time.monotonic()
    assert writer._next() is None
    assert time.monotonic() - started < LOOK_S


def test_copies_without_a_user_live_shorter() -> None:
    clock = ManualClock()
    store = MemorySessionStore(clock=clock, idle_ttl=3600, touch_interval=60)
    process = Process(store, ttl=100)
    process.save(process.begin(), {"n": 1})
    process.save(process.copies.begin("another", ADA), {"n": 1})
    clock.advance(99)
    assert process.look() is not None
    clock.advance(1)
    assert process.look() is None
    assert process.look("another") is not None
    process.copies.close(60)


def test_copies_without_a_user_have_a_budget_and_those_of_users_have_none(
    store: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(store, copies=3, share=1)
    copies = [process.copies.begin(f"visitor {number}", {}) for number in range(5)]
    for copy in copies:
        process.save(copy, {"n": 1})
    assert store.count() == 3
    process.save(process.copies.begin("ada", ADA), {"n": 1})
    assert (store.count(), process.heard.said) == (4, [])
    process.save(copies[0], {"n": 2})
    found = process.look("visitor 0")
    assert found is not None
    assert '"n":2' in found.session.data["body"], "a copy that is counted is still written"
    assert caplog.text.count("used up their budget") == 1
    copies[0].end()
    process.copies.submit(copies[0])
    process.settle(copies[0])
    process.save(copies[4], {"n": 1})
    assert process.look("visitor 4") is not None, "there is room again, and what did not change is written all the same"
    process.copies.close(60)


def test_one_address_does_not_use_up_the_budget(store: Faulty) -> None:
    process = Process(store, copies=10, share=0.2)
    for number in range(5):
        process.save(process.copies.begin(f"attacker {number}", {}, f"2001:db8::{number}"), {"n": 1})
        process.save(process.copies.begin(f"visitor {number}", {}, f"192.0.2.{number}"), {"n": 1})
    assert store.count() == 2 + 5
    process.copies.close(60)


def test_a_full_store_leaves_copies_without_a_user_out_and_tries_again_for_users(store: Faulty) -> None:
    process = Process(store)
    visitor, user = process.begin(), process.copies.begin("ada", ADA)
    store.full = True
    process.save(visitor, {"n": 1})
    assert not process.copies.down
    user.put({"n": 1}, {}, {})
    process.copies.submit(user)
    process.heard.wait_for("away")
    store.full = False
    process.settle(user)
    process.save(visitor, {"n": 1})
    assert store.count() == 2
    process.copies.close(60)
