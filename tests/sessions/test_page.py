"""The session of a page as a mapping, and what a page does in an outage."""

from __future__ import annotations

from typing import Any

import pytest

from fluxlit_sessions import (
    MemorySessionStore,
)
from tests.sessions.tabs import Switched, Tab, set_to, switched_off, two_tabs


@pytest.fixture
def store() -> Switched:
    return Switched(MemorySessionStore())


def test_it_is_a_mapping(store: Switched) -> None:
    def body(_st: Any, session: Any) -> None:
        session.update({"a": 1}, b=2)
        session.setdefault("c", 3)
        assert dict(session) == {"a": 1, "b": 2, "c": 3}
        assert session.pop("a") == 1
        assert ("a" in session, "b" in session, len(session)) == (False, True, 2)
        del session["b"]
        with pytest.raises(KeyError):
            session["b"]
        with pytest.raises(KeyError):
            session["$state:x"] = 1

    tab = Tab(store).run(body)
    assert tab.exceptions == []
    assert store.read(tab.url_id).data == {"c": 3}
    tab.run(lambda _st, session: session.clear())
    assert store.read(tab.url_id).data == {}


def test_what_is_changed_in_place_is_saved_at_the_end(store: Switched) -> None:
    tab = Tab(store).run(set_to(cart=["apple"]))
    tab.run(lambda _st, session: session["cart"].append("pear"))
    assert store.read(tab.url_id).data == {"cart": ["apple", "pear"]}


def test_an_assignment_is_saved_at_once(store: Switched) -> None:
    stored: list[Any] = []

    def body(_st: Any, session: Any) -> None:
        session["a"] = 1
        stored.append(next(iter(store.list())).version)

    Tab(store).run(body)
    assert stored == [1]


def test_a_run_that_changes_nothing_writes_nothing(store: Switched) -> None:
    tab = Tab(store, persist=["cart"]).run(lambda st, session: (session.update(a=1), st.session_state.update(cart=[1])))
    before = store.writes
    tab.run(set_to(a=1)).run()
    assert store.writes == before


@pytest.mark.parametrize("end", ["stop", "rerun", "raise"])
def test_changes_are_saved_however_the_script_ends(store: Switched, end: str) -> None:
    def body(st: Any, session: Any) -> None:
        if "list" in session:
            return
        session["list"] = [1]
        session["list"].append(2)
        st.session_state.cart = ["apple"]
        if end == "raise":
            raise ValueError("broken page")
        getattr(st, end)()

    tab = Tab(store, persist=["cart"]).run(body)
    assert tab.exceptions == (["broken page"] if end == "raise" else [])
    assert store.read(tab.url_id).data == {"list": [1, 2], "$state:cart": ["apple"]}


def test_a_tab_that_knows_its_session_goes_on_and_saves_later(store: Switched) -> None:
    tab = Tab(store, persist=["cart"]).run(set_to(a=1))
    with switched_off(store):
        tab.run(lambda st, session: (set_to(a=2)(st, session), st.session_state.update(cart=["apple"])))
        assert any("does not answer" in text for text in tab.warnings)
        assert tab.seen() == {"a": 2}
        assert tab.state["cart"] == ["apple"]
        session_id = tab.url_id
    assert tab.seen() == {"a": 2}
    assert tab.warnings == []
    assert tab.url_id == session_id
    assert store.read(session_id).data == {"a": 2, "$state:cart": ["apple"]}


def test_a_run_waits_for_a_store_that_is_away_only_once(store: Switched) -> None:
    tab = Tab(store).run(set_to(a=1))
    with switched_off(store):
        tab.run(set_to(a=2, b=3, c=4))
    assert store.refused == 1


def test_a_first_save_with_a_lost_response_is_found_and_not_repeated(store: Switched) -> None:
    def count(_st: Any, session: Any) -> None:
        session.change("clicks", lambda clicks: clicks + 1, default=0)

    tab = Tab(store)
    store.lose_answers = True
    tab.run(count)
    store.lose_answers = False
    tab.run(count)
    assert (store.count(), store.read(tab.url_id).data) == (1, {"clicks": 2})


def test_a_full_store_is_named_as_such_and_the_page_goes_on() -> None:
    full = MemorySessionStore(max_entries=2)
    full.create()
    tab = Tab(full, "an old id", user=None).run(set_to(a=1))
    assert any("There is no room" in text for text in tab.warnings)
    assert (tab.errors, tab.url_id, full.count()) == ([], "an old id", 1)
    for info in full.list():
        full.revoke(info.handle)
    assert tab.seen() == {"a": 1}
    assert full.read(tab.url_id or "") is not None


def test_what_was_changed_elsewhere_after_an_outage_is_merged(store: Switched) -> None:
    first, second = two_tabs(store)
    with switched_off(store):
        first.run(set_to(a=2))
    second.run(set_to(b=2))
    assert first.seen() == {"a": 2, "b": 2}


def test_a_page_that_cannot_know_its_session_waits_and_never_gets_a_new_one(store: Switched) -> None:
    tab = Tab(store).run(set_to(a=1))
    again = Tab(store, tab.url_id)
    with switched_off(store):
        ran: list[bool] = []
        again.run(lambda *_: ran.append(True))
        assert ran == []
        assert any("not lost" in text for text in again.errors)
        assert again.url_id == tab.url_id
    found: list[Any] = []
    again.click(0, lambda _st, session: found.append(dict(session)))
    assert found == [{"a": 1}]
    assert store.count() == 1


def test_a_new_visitor_can_start_during_an_outage(store: Switched) -> None:
    tab = Tab(store)
    with switched_off(store):
        tab.run(set_to(a=1))
        assert (tab.url_id, len(tab.warnings)) == (None, 1)
    assert tab.seen() == {"a": 1}
    assert store.read(tab.url_id).data == {"a": 1}


def test_an_application_can_handle_outages_itself(store: Switched) -> None:
    tab = Tab(store).run(set_to(a=1))
    again = Tab(store, tab.url_id, outage="raise")
    with switched_off(store):
        assert "unavailable" in again.run().exceptions[0]


def test_a_value_that_no_store_can_hold_is_an_error_at_the_assignment(store: Switched) -> None:
    tab = Tab(store).run(set_to(odd=object()))
    assert "data['odd']" in tab.exceptions[0]
