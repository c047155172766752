"""Writing in the background: outages, a full store, the end of a process."""

from __future__ import annotations

import time

import pytest

from fluxlit_sessions import SessionStoreUnavailable
from fluxlit_sessions.copies.writer import LOOK_S, Writer
from tests.sessions.copies.processes import ADA, NAME, Faulty, Heard, Process


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
