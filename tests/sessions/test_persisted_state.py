"""Keys of `st.session_state` that come back."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st

from fluxlit_sessions import (
    MemorySessionStore,
    url_session,
)
from tests.sessions.tabs import Switched, Tab


@pytest.fixture
def store() -> Switched:
    return Switched(MemorySessionStore())


def test_chosen_keys_come_back_in_a_new_tab(store: Switched) -> None:
    tab = Tab(store, persist=["cart"])
    tab.run(lambda st, _: st.session_state.update(cart=["apple"], other=1))
    again = Tab(store, tab.url_id, persist=["cart"]).run()
    assert again.state["cart"] == ["apple"]
    assert "other" not in again.state


def test_a_default_that_the_page_sets_first_does_not_win_over_what_was_kept(store: Switched) -> None:
    tab = Tab(store, persist=["cart"]).run(lambda st, _: st.session_state.update(cart=["apple"]))
    again = Tab(store, tab.url_id, persist=["cart"])
    again._test.session_state["cart"] = []
    assert again.run().state["cart"] == ["apple"]


def test_keys_can_be_chosen_by_a_function(store: Switched) -> None:
    tab = Tab(store, persist=lambda key: key.startswith("keep")).run(
        lambda st, _: st.session_state.update(keep_a=1, b=2)
    )
    assert store.read(tab.url_id).data == {"$state:keep_a": 1}


def test_a_key_that_the_page_removes_is_removed_everywhere(store: Switched) -> None:
    tab = Tab(store, persist=["cart"]).run(lambda st, _: st.session_state.update(cart=[1]))
    other = Tab(store, tab.url_id, persist=["cart"]).run()

    def body(st: Any, _session: Any) -> None:
        del st.session_state.cart

    tab.run(body)
    assert store.read(tab.url_id).data == {}
    assert "cart" not in other.run().state


def test_what_another_tab_kept_arrives_at_the_next_run(store: Switched) -> None:
    tab = Tab(store, persist=["cart"]).run(lambda st, _: st.session_state.update(cart=[1]))
    other = Tab(store, tab.url_id, persist=["cart"]).run(lambda st, _: st.session_state.update(cart=[1, 2]))
    assert tab.run().state["cart"] == other.state["cart"] == [1, 2]


def test_what_a_callback_did_is_kept(store: Switched) -> None:
    def body(st: Any, _session: Any) -> None:
        st.session_state.setdefault("cart", [])
        st.button("add", on_click=lambda: st.session_state.update(cart=[*st.session_state.cart, "x"]))

    tab = Tab(store, persist=["cart"]).run(body)
    tab.click(0, body)
    assert store.read(tab.url_id).data == {"$state:cart": ["x"]}


def test_keys_of_widgets_are_left_alone_and_named_once(store: Switched, caplog: pytest.LogCaptureFixture) -> None:
    def body(st: Any, _session: Any) -> None:
        st.slider("size", 0, 10, 4, key="size")
        st.button("go", key="go")
        st.session_state.setdefault("mine", 1)

    tab = Tab(store, persist=lambda _: True).run(body).run(body).run(body)
    assert tab.exceptions == []
    assert store.read(tab.url_id).data == {"$state:mine": 1}
    assert [caplog.text.count(f"st.session_state[{key!r}] is not kept") for key in ("size", "go", "mine")] == [1, 1, 0]


def test_values_that_cannot_be_stored_stay_in_the_tab_and_are_named_once(
    store: Switched, caplog: pytest.LogCaptureFixture
) -> None:
    tab = Tab(store, persist=["odd", "good"])
    tab.run(lambda st, _: st.session_state.update(odd=1, good=1))

    def body(st: Any, _session: Any) -> None:
        st.session_state.update(odd=object(), good=2)

    tab.run(body).run(body).run()
    assert store.read(tab.url_id).data == {"$state:odd": 1, "$state:good": 2}
    assert type(tab.state["odd"]) is object
    assert caplog.text.count("st.session_state['odd'] is not kept") == 1
    assert tab.run(lambda st, _: st.session_state.update(odd=3)).exceptions == []
    assert store.read(tab.url_id).data["$state:odd"] == 3


def test_forgetting_the_with_block_is_logged(store: Switched, caplog: pytest.LogCaptureFixture) -> None:
    class Careless(Tab):
        def script(self) -> None:
            url_session(st, self._store, persist=["cart"])

    Careless(store).run().run()
    assert "unless it is used in `with`" in caplog.text
