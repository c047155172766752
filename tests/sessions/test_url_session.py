"""The id in the URL: when there is one, and when it is not used."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fluxlit_sessions import (
    MemorySessionStore,
)
from tests.sessions.tabs import PARAM, Switched, Tab, set_to


@pytest.fixture
def store() -> Switched:
    return Switched(MemorySessionStore())


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
