"""Browser tabs in Streamlit's test runner, and a store that can fail."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest

from fluxlit_sessions import (
    SessionStore,
    SessionStoreUnavailable,
    url_session,
)

PARAM = "fluxlit_sid"


Body = Callable[[Any, Any], object]


class Switched:
    """A store that can be switched off."""

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


class Tab:
    """One tab of one visitor."""

    def __init__(self, store: Any, url_id: str | None = None, **options: Any) -> None:
        self._store, self._options = store, options
        self._test = AppTest.from_function(_script, kwargs={"tab": self}, default_timeout=60)
        # Streamlit would read the metadata of every installed package, ten times as long as a run here.
        self._test._bidi_component_manager = BidiComponentManager()
        self._body: Body = lambda _st, _session: None
        if url_id:
            self._test.query_params[PARAM] = url_id

    def run(self, body: Body | None = None) -> Tab:
        self._body = body or (lambda _st, _session: None)
        with _no_collection():
            self._test.run()
        return self

    def script(self) -> None:
        with url_session(st, self._store, **self._options) as session:
            self._body(st, session)

    def click(self, number: int, body: Body) -> None:
        self._body = body
        with _no_collection():
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


def two_tabs(store: Any, **options: Any) -> tuple[Tab, Tab]:
    first = Tab(store, **options).run(set_to(a=1, b=1))
    return first, Tab(store, first.url_id, **options)


@contextlib.contextmanager
def switched_off(store: Switched) -> Iterator[None]:
    store.off = True
    try:
        yield
    finally:
        store.off = False


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Skip Streamlit's garbage collection, ten times as long as a run here."""
    before = st.config.get_option("runner.postScriptGC")
    st.config.set_option("runner.postScriptGC", False)
    try:
        yield
    finally:
        st.config.set_option("runner.postScriptGC", before)
