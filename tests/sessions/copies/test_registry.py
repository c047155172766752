"""The copies of a process: taking sessions over, users, budgets."""

from __future__ import annotations

import pytest

from fluxlit_sessions import MemorySessionStore
from fluxlit_sessions.copies import copy as copy_module
from fluxlit_sessions.testing import ManualClock
from tests.sessions.copies.processes import ADA, NAME, Faulty, Process


def test_another_process_goes_on_with_what_was_saved_last(processes: tuple[Process, Process]) -> None:
    one, other = processes
    kept = one.begin()
    one.save(kept, {"cart": ["apple"]})
    one.save(kept, {"cart": ["apple", "pear"], "when": {1, 2}})
    taken = other.resume()
    assert taken is not None
    assert taken[1]["state"] == {"cart": ["apple", "pear"], "when": {1, 2}}


@pytest.mark.parametrize("name", ["", "x", NAME.replace("0", "1"), "../../etc", "ä"])
def test_an_id_of_no_session_finds_nothing_and_creates_nothing(
    processes: tuple[Process, Process], store: Faulty, name: str
) -> None:
    assert processes[0].look(name) is None
    assert store.count() == 0


def test_a_copy_in_the_format_of_another_release_is_refused_with_a_line_in_the_log(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = processes
    one.save(one.begin(ADA), {"cart": 1})
    monkeypatch.setattr(copy_module, "FORMAT", copy_module.FORMAT + 1)
    assert other.look() is None
    assert [record.message for record in caplog.records] == [
        "The copy of a session is of another release of FluxLit, and a new session begins."
    ]


def test_a_copy_opens_for_its_user_alone_and_is_left_as_it_is_for_others(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.save(one.begin(ADA), {"cart": 1})
    assert other.resume({"email": "bob@example.com"}) is None
    assert other.resume({}) is None
    found = other.look()
    assert found is not None
    assert found.session.subject == "ada@example.com"
    assert other.resume(ADA) is not None


def test_the_store_holds_neither_the_id_of_a_session_nor_the_claims_of_its_user(store: Faulty) -> None:
    process = Process(store)
    process.save(process.begin({"token": "swordfish"}), {"cart": 1})
    dump = repr(vars(store._store._backend))
    assert "cart" in dump
    assert NAME not in dump
    assert "swordfish" not in dump


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
