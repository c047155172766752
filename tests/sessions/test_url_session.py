"""A page's session, by Streamlit's own test runner: what a script sees, run after run, in one tab and in several."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import streamlit as st
from pydantic import BaseModel
from streamlit.testing.v1 import AppTest

from fluxlit_sessions import (
    MemorySessionStore,
    SessionKeyConflict,
    SessionModelError,
    SessionNotFound,
    SessionStore,
    SessionStoreUnavailable,
    url_session,
)

PARAM = "fluxlit_sid"
Body = Callable[[Any, Any], object]


class Switched:
    """A store that can be switched off. Redis itself is stopped in the tests of outages and in Chromium."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.off = False
        self.lose_answers = False
        self.refused = 0
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        if self.off:
            self.refused += 1
            raise SessionStoreUnavailable("it is off", location="memory", operation=name)
        self.writes += name in ("create", "save", "rotate")
        if self.lose_answers and name in ("create", "save"):
            return functools.partial(self._lose, getattr(self._store, name), name)
        return getattr(self._store, name)

    def _lose(self, function: Callable[..., Any], name: str, *args: Any, **options: Any) -> Any:
        function(*args, **options)
        raise SessionStoreUnavailable("cut", location="memory", operation=name, may_have_applied=True)


@pytest.fixture(autouse=True)
def no_collection_after_runs() -> Iterator[None]:
    """Streamlit collects garbage after each run, which takes ten times as long as a run here."""
    before = st.config.get_option("runner.postScriptGC")
    st.config.set_option("runner.postScriptGC", False)
    yield
    st.config.set_option("runner.postScriptGC", before)


@pytest.fixture
def store() -> Switched:
    return Switched(MemorySessionStore())


class Tab:
    """One tab of one visitor."""

    def __init__(self, store: Any, url_id: str | None = None, **options: Any) -> None:
        self._store, self._options = store, options
        self._test = AppTest.from_function(_script, kwargs={"tab": self})
        self._body: Body = lambda _st, _session: None
        if url_id:
            self._test.query_params[PARAM] = url_id

    def run(self, body: Body | None = None) -> Tab:
        self._body = body or (lambda _st, _session: None)
        self._test.run()
        return self

    def script(self) -> None:
        with url_session(st, self._store, **self._options) as session:
            self._body(st, session)

    def click(self, number: int, body: Body) -> None:
        self._body = body
        self._test.button[number].click().run()

    @property
    def url_id(self) -> str | None:
        values = self._test.query_params.get(PARAM)
        return values[0] if isinstance(values, list) else values

    @property
    def state(self) -> Any:
        return self._test.session_state

    @property
    def warnings(self) -> list[str]:
        return [each.value for each in self._test.warning]

    @property
    def errors(self) -> list[str]:
        return [each.value for each in self._test.error]

    @property
    def exceptions(self) -> list[str]:
        return [each.message for each in self._test.exception]

    def seen(self) -> dict[str, Any]:
        """What the session holds in the next run."""
        found: dict[str, Any] = {}
        self.run(lambda _st, session: found.update(session))
        return found


def _script(tab: "Any") -> None:  # noqa: UP037 - AppTest copies this source to where the name is unknown
    tab.script()


def set_to(**values: Any) -> Body:
    def body(_st: Any, session: Any) -> None:
        for key, value in values.items():
            session[key] = value

    return body


# --- ids


def test_reading_creates_nothing_and_leaves_the_url_alone(store: Switched) -> None:
    tab = Tab(store).run(lambda _st, session: session.get("cart"))
    assert (tab.url_id, store.count()) == (None, 0)


def test_the_first_write_creates_a_session_and_puts_its_id_into_the_url(store: Switched) -> None:
    tab = Tab(store).run(set_to(cart=["apple"]))
    assert tab.url_id is not None
    assert store.read(tab.url_id).data == {"cart": ["apple"]}


def test_a_new_tab_with_the_url_finds_the_session(store: Switched) -> None:
    tab = Tab(store).run(set_to(cart=["apple"]))
    assert Tab(store, tab.url_id).seen() == {"cart": ["apple"]}
    assert store.count() == 1


@pytest.mark.parametrize("forged", ["1", "x" * 44, "A" * 44, "", "../../etc", "\0", "ä"])
def test_an_id_that_the_store_did_not_mint_is_never_adopted(store: Switched, forged: str) -> None:
    tab = Tab(store, forged).run(set_to(secret=1))
    assert tab.url_id not in (None, forged)
    assert store.read(forged) is None


def test_an_expired_id_gets_a_new_session() -> None:
    now = [1_000_000.0]
    store = MemorySessionStore(clock=lambda: now[0], idle_ttl=60)
    old = Tab(store).run(set_to(a=1)).url_id
    now[0] += 61
    tab = Tab(store, old)
    assert tab.seen() == {}
    assert tab.run(set_to(a=2)).url_id not in (None, old)


def test_each_run_makes_the_session_live_longer() -> None:
    now = [1_000_000.0]
    store = MemorySessionStore(clock=lambda: now[0], idle_ttl=60, touch_interval=0)
    tab = Tab(store).run(set_to(a=1))
    for _ in range(5):
        now[0] += 50
        assert tab.seen() == {"a": 1}


def test_the_id_comes_back_into_the_url_after_navigation_took_it_out(store: Switched) -> None:
    tab = Tab(store).run(set_to(a=1))
    session_id = tab.url_id
    tab._test.query_params.clear()
    assert tab.seen() == {"a": 1}
    assert tab.url_id == session_id


def test_the_name_of_the_parameter_can_be_chosen(store: Switched, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "mine" in Tab(store, param="mine").run(set_to(a=1))._test.query_params
    monkeypatch.setenv("FLUXLIT_URL_SESSION_QUERY_PARAM", "theirs")
    assert "theirs" in Tab(store).run(set_to(a=1))._test.query_params


def test_a_plain_link_can_carry_the_session(store: Switched) -> None:
    links: list[str] = []

    def body(_st: Any, session: Any) -> None:
        links.append(session.href("/a"))
        session["x"] = 1
        links.extend(session.href(url) for url in ("/a", "/a?b=1#c"))

    tab = Tab(store).run(body)
    assert links == ["/a", f"/a?{PARAM}={tab.url_id}", f"/a?b=1&{PARAM}={tab.url_id}#c"]


def test_no_log_line_and_no_text_of_the_objects_holds_the_id(store: Switched, caplog: pytest.LogCaptureFixture) -> None:
    texts: list[str] = []

    def look(st: Any, session: Any) -> object:
        return texts.append(f"{session!r} {st.session_state}")  # type: ignore[func-returns-value]

    caplog.set_level(logging.DEBUG)
    tab = Tab(store, user="ada").run(lambda st, session: (session.update(a=1), look(st, session)))
    other = Tab(store, tab.url_id, user="bob").run(look)
    assert tab.url_id is not None
    assert other.url_id == tab.url_id
    assert tab.url_id not in "".join(texts) + caplog.text


# --- users


def test_somebody_elses_link_does_not_open_the_session(store: Switched) -> None:
    ada = Tab(store, user="ada").run(set_to(cart=["apple"]))
    bob = Tab(store, ada.url_id, user="bob")
    assert bob.seen() == {}
    bob.run(set_to(cart=["plum"]))
    assert bob.url_id != ada.url_id
    assert ada.seen() == {"cart": ["apple"]}


def test_a_link_of_a_user_does_not_open_for_somebody_who_is_not_signed_in(store: Switched) -> None:
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


def test_signing_in_can_leave_the_session_of_nobody_behind(store: Switched) -> None:
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


# --- the mapping


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


# --- two tabs


def two_tabs(store: Any, **options: Any) -> tuple[Tab, Tab]:
    first = Tab(store, **options).run(set_to(a=1, b=1))
    return first, Tab(store, first.url_id, **options)


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


# --- kept keys of st.session_state


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


def test_forgetting_the_with_block_is_said(store: Switched, caplog: pytest.LogCaptureFixture) -> None:
    class Careless(Tab):
        def script(self) -> None:
            url_session(st, store, persist=["cart"])

    Careless(store).run().run()
    assert "unless it is used in `with`" in caplog.text


# --- models


class Cart(BaseModel):
    items: list[str] = []
    note: str = ""


class NewCart(BaseModel):
    lines: dict[str, int] = {}
    note: str = ""


def migrate(data: dict[str, Any], version: int) -> dict[str, Any]:
    assert version == 1
    return {"lines": dict.fromkeys(data["items"], 1), "note": data["note"]}


def add_item(name: str) -> Body:
    return lambda _st, cart: cart.value.items.append(name)


def test_a_model_comes_back_as_one(store: Switched) -> None:
    tab = Tab(store, model=Cart).run(add_item("apple")).run(add_item("pear"))
    again: list[Any] = []
    Tab(store, tab.url_id, model=Cart).run(lambda _st, cart: again.append(cart.value))
    assert again == [Cart(items=["apple", "pear"])]


def test_looking_at_a_model_creates_nothing(store: Switched) -> None:
    tab = Tab(store, model=Cart).run(lambda _st, cart: cart.value.items)
    assert (tab.url_id, store.count()) == (None, 0)


def test_a_new_model_can_be_assigned(store: Switched) -> None:
    tab = Tab(store, model=Cart).run(lambda _st, cart: setattr(cart, "value", Cart(note="new")))
    assert store.read(tab.url_id).data == {"items": [], "note": "new", "$model": 1}


def test_fields_changed_in_two_tabs_come_together(store: Switched) -> None:
    first = Tab(store, model=Cart).run(add_item("apple"))
    second = Tab(store, first.url_id, model=Cart)

    def note(_st: Any, cart: Any) -> None:
        cart.value.note = "hello"

    first.run(lambda st, cart: (add_item("pear")(st, cart), second.run(note)))
    assert store.read(first.url_id).data == {"items": ["apple", "pear"], "note": "hello", "$model": 1}


def test_changes_of_one_field_by_function_are_never_lost(store: Switched) -> None:
    first = Tab(store, model=Cart).run(add_item("apple"))
    second = Tab(store, first.url_id, model=Cart)
    add: Callable[[str], Body] = lambda name: lambda _st, cart: cart.change(lambda c: c.items.append(name))  # noqa: E731
    first.run(lambda st, cart: (second.run(add("pear")), add("plum")(st, cart)))
    assert store.read(first.url_id).data["items"] == ["apple", "pear", "plum"]


def test_data_of_an_older_model_is_migrated(store: Switched) -> None:
    tab = Tab(store, model=Cart).run(add_item("apple"))
    new = Tab(store, tab.url_id, model=NewCart, model_version=2, migrate=migrate)
    new.run(lambda _st, cart: cart.value.lines.update(pear=2))
    assert store.read(tab.url_id).data == {"lines": {"apple": 1, "pear": 2}, "note": "", "$model": 2}


def test_data_that_does_not_fit_is_an_error_that_says_what_to_do(store: Switched) -> None:
    tab = Tab(store).run(set_to(items="no list"))

    def body(_st: Any, cart: Any) -> None:
        with pytest.raises(SessionModelError, match="migrate="):
            cart.value  # noqa: B018

    assert Tab(store, tab.url_id, model=Cart).run(body).exceptions == []


def test_fields_of_a_newer_replica_survive_an_older_one(store: Switched) -> None:
    tab = Tab(store).run(lambda _st, session: session.update(items=["a"], colour="red"))
    Tab(store, tab.url_id, model=Cart).run(add_item("b"))
    assert store.read(tab.url_id).data == {"items": ["a", "b"], "note": "", "colour": "red", "$model": 1}


# --- outages


@contextlib.contextmanager
def switched_off(store: Switched) -> Iterator[None]:
    store.off = True
    try:
        yield
    finally:
        store.off = False


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


def test_a_first_save_whose_answer_was_lost_is_found_again_and_not_repeated(store: Switched) -> None:
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
