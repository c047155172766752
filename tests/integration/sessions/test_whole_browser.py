"""The whole session in Chromium: a killed worker, a rolling restart, a store that stops while somebody clicks."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import dedent

import pytest
from playwright.sync_api import expect

from fluxlit.testing import Server, run_server
from tests.integration.sessions.test_whole_session import kill_worker
from tests.sessions.servers import RedisServer
from tests.support.chromium import Visitor

pytestmark = pytest.mark.browser

APP = """
    import streamlit as st
    from fluxlit import FluxLit

    app = FluxLit(title="Whole")

    def press():
        st.session_state.presses = st.session_state.get("presses", 0) + 1

    @app.page("/")
    def home(st):
        st.title("Whole")
        st.button("Press", on_click=press)
        name = st.text_input("Name", key="name")
        st.text(f"{name} pressed {st.session_state.get('presses', 0)}")
"""


@pytest.fixture(scope="module")
def server(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("whole")
    (directory / "app.py").write_text(dedent(APP))
    url = f"{redis_server.url}?namespace=browser&read_budget=0.3&write_budget=0.5"
    with run_server("app:app", directory, command="run", session_store=url) as server:
        yield server


def press(visitor: Visitor, then: str) -> None:
    visitor.page.get_by_role("button", name="Press").click()
    expect(visitor.page.get_by_text(then, exact=True)).to_be_visible()
    visitor.settle()


def test_a_killed_worker_is_not_noticed(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url)
    visitor.page.get_by_label("Name").fill("Ada")
    visitor.page.get_by_label("Name").press("Enter")
    press(visitor, "Ada pressed 1")
    press(visitor, "Ada pressed 2")
    for count in (3, 4):
        with visitor.reconnecting():
            kill_worker(server)
        # The first thing that the new worker hears is the press of a button with a callback.
        press(visitor, f"Ada pressed {count}")
    visitor.problems.clear()  # the connection was lost


def test_a_store_that_stops_is_shown_and_nothing_is_lost(
    server: Server, redis_server: RedisServer, visitor: Visitor
) -> None:
    visitor.visit(server.url)
    press(visitor, "pressed 1")
    redis_server.kill()
    try:
        press(visitor, "pressed 2")
        expect(visitor.page.get_by_text("The server that keeps your session does not answer")).to_be_visible()
        press(visitor, "pressed 3")
        expect(visitor.page.get_by_text("The server that keeps your session does not answer")).to_be_visible()
    finally:
        redis_server.start()
    expect(visitor.page.get_by_text("answers again, and everything is saved")).to_be_visible()
    with visitor.reconnecting():
        kill_worker(server)
    press(visitor, "pressed 4")
    visitor.problems.clear()
