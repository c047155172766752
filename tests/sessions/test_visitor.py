"""Users and their sessions: signing in, roles, and sessions that end."""

from __future__ import annotations

from typing import Any

import pytest

from fluxlit_sessions import (
    MemorySessionStore,
    SessionNotFound,
)
from tests.sessions.tabs import Switched, Tab, set_to


@pytest.fixture
def store() -> Switched:
    return Switched(MemorySessionStore())


def test_a_link_of_another_user_does_not_open_the_session(store: Switched) -> None:
    ada = Tab(store, user="ada").run(set_to(cart=["apple"]))
    bob = Tab(store, ada.url_id, user="bob")
    assert bob.seen() == {}
    bob.run(set_to(cart=["plum"]))
    assert bob.url_id != ada.url_id
    assert ada.seen() == {"cart": ["apple"]}


def test_a_link_of_a_user_does_not_open_for_an_anonymous_visitor(store: Switched) -> None:
    ada = Tab(store, user="ada").run(set_to(cart=["apple"]))
    assert Tab(store, ada.url_id, user=None).seen() == {}


def test_signing_in_takes_the_session_along_under_a_new_id(store: Switched) -> None:
    before = Tab(store, user=None).run(set_to(cart=["apple"]))
    after = Tab(store, before.url_id, user="ada")
    assert after.seen() == {"cart": ["apple"]}
    assert after.url_id != before.url_id
    assert store.read(before.url_id) is None
    assert store.read(after.url_id).subject == "ada"


def test_other_roles_give_the_session_another_id(store: Switched) -> None:
    def visit(roles: str, url_id: str | None = None) -> Tab:
        tab = Tab(store, url_id)
        tab._test.user = {"is_logged_in": True, "iss": "https://issuer", "sub": "ada", "roles": roles}
        return tab

    staff = visit("staff").run(lambda _st, session: session.update(cart=["apple"]))
    known = staff.url_id
    assert staff.run().url_id == known
    assert visit("staff", known).run().url_id == known

    seen: list[Any] = []
    admin = visit("admin,staff", known).run(lambda _st, session: seen.append(dict(session)))
    assert seen == [{"cart": ["apple"]}]
    assert admin.url_id not in (None, known)
    assert store.read(known) is None, "the id from before is dead"
    assert admin.run().url_id == admin.url_id

    nobody_special = visit("", admin.url_id).run()
    assert store.read(admin.url_id) is None
    assert store.read(nobody_special.url_id).subject == "https://issuer|ada"


def test_signing_in_can_leave_the_anonymous_session_behind(store: Switched) -> None:
    before = Tab(store, user=None).run(set_to(cart=["apple"]))
    assert Tab(store, before.url_id, user="ada", claim=False).seen() == {}
    assert before.seen() == {"cart": ["apple"]}


def test_a_user_with_a_very_long_name_has_a_session_too(store: Switched) -> None:
    ada = Tab(store, user="ä" * 300).run(set_to(a=1))
    assert Tab(store, ada.url_id, user="ä" * 300).seen() == {"a": 1}
    assert Tab(store, ada.url_id, user="ä" * 299).seen() == {}


def test_rotation_changes_the_id_and_nothing_else(store: Switched) -> None:
    tab = Tab(store).run(set_to(a=1))
    old = tab.url_id

    def body(_st: Any, session: Any) -> None:
        session["b"] = [1]
        session["b"].append(2)
        session.rotate()

    tab.run(body)
    assert tab.url_id != old
    assert store.read(old) is None
    assert tab.seen() == {"a": 1, "b": [1, 2]}


def test_rotation_can_bind_the_session_to_a_user(store: Switched) -> None:
    tab = Tab(store, user=None).run(set_to(a=1))
    tab.run(lambda _st, session: session.rotate(subject="ada"))
    assert store.read(tab.url_id).subject == "ada"


def test_a_session_that_ended_says_so_and_takes_what_came_out_of_it_along(store: Switched) -> None:
    tab = Tab(store, persist=["cart"], user="ada")
    tab.run(lambda st, session: (session.update(a=1), st.session_state.update(cart=["apple"])))
    store.delete_subject("ada")
    assert tab.seen() == {}
    assert any("session has ended" in text for text in tab.warnings)
    assert "cart" not in tab.state
    assert store.count() == 0


def test_a_session_that_ends_during_a_run_does_not_come_back(store: Switched) -> None:
    tab = Tab(store, persist=["cart"])
    tab.run(lambda st, _: st.session_state.update(cart=["apple"]))

    def body(st: Any, _session: Any) -> None:
        store.delete(tab.url_id)
        st.session_state.cart.append("pear")

    tab.run(body)
    assert any("session has ended" in text for text in tab.warnings)
    assert "cart" not in tab.run().state
    assert store.count() == 0


def test_nor_does_it_when_the_page_stops_itself_in_that_run(store: Switched) -> None:
    tab = Tab(store, persist=["cart"])
    tab.run(lambda st, _: st.session_state.update(cart=["apple"]))

    def body(st: Any, session: Any) -> None:
        store.delete(tab.url_id)
        for _ in range(2):
            with pytest.raises(SessionNotFound):
                session["a"] = 1
        st.stop()

    tab.run(body).run()
    assert any("session has ended" in text for text in tab.warnings)
    assert ("cart" in tab.state, store.count()) == (False, 0)


def test_writing_to_a_session_that_has_ended_is_an_error(store: Switched) -> None:
    tab = Tab(store).run(set_to(a=1))

    def body(_st: Any, session: Any) -> None:
        store.delete(tab.url_id)
        with pytest.raises(SessionNotFound):
            session["a"] = 2

    tab.run(body)
    assert tab.exceptions == []
    assert store.count() == 0


def test_a_page_can_end_its_session(store: Switched) -> None:
    tab = Tab(store, persist=["cart"])
    tab.run(lambda st, session: (session.update(a=1), st.session_state.update(cart=[1])))
    tab.run(lambda _st, session: session.end())
    assert (tab.url_id, store.count(), "cart" in tab.state) == (None, 0, False)
    assert tab.seen() == {}
    assert tab.warnings == []
