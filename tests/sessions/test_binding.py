"""Two tabs with one session."""

from __future__ import annotations

from typing import Any

import pytest

from fluxlit_sessions import (
    MemorySessionStore,
    SessionKeyConflict,
)
from tests.sessions.tabs import Body, Switched, Tab, set_to, two_tabs


@pytest.fixture
def store() -> Switched:
    return Switched(MemorySessionStore())


def test_two_tabs_that_change_different_keys_both_keep_their_change(store: Switched) -> None:
    first, second = two_tabs(store)
    first.run(lambda _st, session: (second.run(set_to(b=2)), set_to(a=2)(None, session)))
    assert first.seen() == second.seen() == {"a": 2, "b": 2}


def test_a_key_that_two_tabs_changed_at_once_is_reported_where_it_is_assigned(store: Switched) -> None:
    first, second = two_tabs(store)

    def body(_st: Any, session: Any) -> None:
        second.run(set_to(a=2))
        with pytest.raises(SessionKeyConflict) as caught:
            session["a"] = 3
        assert caught.value.keys == ("a",)
        assert session["a"] == 2

    assert first.run(body).exceptions == []
    assert first.seen() == {"a": 2, "b": 1}


def test_a_conflict_found_at_the_end_of_a_run_is_reported_on_the_page(store: Switched) -> None:
    first, second = two_tabs(store)
    first.run(set_to(cart=[]))
    first.run(lambda _st, session: (session["cart"].append(1), second.run(set_to(cart=[2]))))
    assert any("`cart`" in text for text in first.warnings)
    assert first.seen() == {"a": 1, "b": 1, "cart": [2]}
    assert first.warnings == []


def test_a_report_survives_runs_that_are_cut_off(store: Switched) -> None:
    first = Tab(store).run(set_to(cart=[]))
    runs: list[int] = []

    def body(st: Any, session: Any) -> None:
        runs.append(1)
        if len(runs) == 1:
            session["cart"].append(1)
            store.save(store.read(first.url_id), {"cart": [2]})
        if len(runs) < 4:
            st.rerun()

    assert any("`cart`" in text for text in first.run(body).warnings)
    assert len(runs) == 4
    assert first.run().warnings == []


def test_the_application_can_solve_conflicts(store: Switched) -> None:
    first, second = two_tabs(store, conflict=lambda _key, _old, mine, theirs: sorted({*mine, *theirs}))
    first.run(set_to(cart=[]))
    first.run(lambda _st, session: (second.run(set_to(cart=[2])), set_to(cart=[1])(None, session)))
    assert first.seen()["cart"] == [1, 2]
    assert first.warnings == []


def test_a_change_that_depends_on_the_old_value_is_never_lost(store: Switched) -> None:
    first, second = two_tabs(store)
    add: Body = lambda _st, session: session.change("n", lambda n: n + 1, default=0)  # noqa: E731
    first.run(add)
    first.run(lambda st, session: (second.run(add), add(st, session)))
    assert first.seen()["n"] == 3


def test_two_tabs_that_count_at_once_lose_no_count_without_a_word(store: Switched) -> None:
    first, second = two_tabs(store)

    def count(_st: Any, session: Any) -> None:
        session["a"] += 1

    def body(st: Any, session: Any) -> None:
        second.run(count)
        with pytest.raises(SessionKeyConflict):
            count(st, session)
        count(st, session)

    assert first.run(body).exceptions == []
    assert first.seen()["a"] == 3


def test_a_rotation_keeps_what_another_tab_saved_just_before(store: Switched) -> None:
    first, second = two_tabs(store)
    first.run(lambda _st, session: (second.run(set_to(b=2)), session.rotate()))
    assert first.seen() == {"a": 1, "b": 2}
    assert second.seen() == {}
    assert any("session has ended" in text for text in second.warnings)
