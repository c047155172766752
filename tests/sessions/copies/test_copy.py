"""One copy: which process has the session, and what is written when."""

from __future__ import annotations

import copy as copy_module
from types import SimpleNamespace

import pytest

from fluxlit_sessions import MemorySessionStore
from fluxlit_sessions.testing import ManualClock
from tests.sessions.copies.processes import ADA, Faulty, Process


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


def test_a_write_with_a_lost_response_is_not_taken_for_that_of_another_process(
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


def test_what_has_not_changed_is_not_written_again(processes: tuple[Process, Process], store: Faulty) -> None:
    one, _ = processes
    copy = one.begin()
    one.save(copy, {"n": 1})
    assert copy.put({"n": 1}, {}, {}) is False
    assert (copy.dirty, store.writes) == (False, 1)


def test_no_process_continues_a_session_that_has_been_logged_out(processes: tuple[Process, Process]) -> None:
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
