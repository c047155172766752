"""The session of a page as a Pydantic model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from fluxlit_sessions import (
    MemorySessionStore,
    SessionModelError,
)
from tests.sessions.tabs import Body, Switched, Tab, set_to


@pytest.fixture
def store() -> Switched:
    return Switched(MemorySessionStore())


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
