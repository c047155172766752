"""What a page is registered with takes effect in the browser.

Wherever the UI runs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from fluxlit.testing import Server, run_server
from tests.support.chromium import Visitor, open_tab, open_visitor
from tests.support.processes import background, clean_environ

pytestmark = pytest.mark.browser

MAIN_WIDTH = "document.querySelector('[data-testid=stMainBlockContainer]').clientWidth"

APP = """
    from __future__ import annotations

    from typing import Annotated

    from pydantic import Field

    from fluxlit import Cookie, Depends, FluxLit, Header, Pages, Query, Settings

    everywhere = {"layout": "wide", "page_icon": "🧪", "menu_items": {"About": "Made for these tests"}}
    app = FluxLit(title="Pages", streamlit_page_config=everywhere)
    events = []

    def connection(name: str = "db"):
        events.append("opened")
        try:
            yield name
        finally:
            events.append("closed")

    @app.page("/numbers", title="Numbers", section="Figures", order=2)
    def numbers(
        st,
        size: Annotated[int, Query(), Field(ge=1, le=9)] = 3,
        tag: Annotated[list[str], Query()] = [],
        agent: Annotated[str, Header(alias="user-agent")] = "",
        xsrf: Annotated[str, Cookie(alias="_streamlit_xsrf")] = "",
    ):
        st.text(f"size {size}, tags {tag}, Chrome {'Chrome' in agent}, cookie {bool(xsrf)}")

    @app.page("/start", title="Start here", icon="🚀", layout="wide", default=True, initial_sidebar_state="collapsed",
              section="Figures", order=1)
    def start(st, app: FluxLit, settings: Settings):
        "Where it begins."
        st.title("Start")
        st.text(f"{type(app).__name__} on {settings.api_mount_path}")

    @app.page("/secret", hidden=True)
    def not_listed(st):
        st.title("Not in the list")

    @app.page("/größe")
    def umlauts(st):
        st.title("Umlauts")

    @app.page("/stops")
    def stops(st, db=Depends(connection)):
        st.text(" ".join(events))
        if st.button("Rerun"):
            st.rerun()
        st.stop()

    @app.page("/fails")
    def fails(st, db=Depends(connection)):
        raise ValueError("the page is at fault")

    @app.api.get("/answer")
    def answer() -> int:
        return 42

    @app.page("/asks", hidden=True)
    def asks(st, client):
        st.title(f"The number is {client.get('/answer').json()}")

    @app.page("/links", hidden=True)
    def links(st, pages: Pages):
        st.page_link(pages["/numbers"], query_params={"size": "7"})
        st.page_link(pages["/legacy"])
        if st.button("Home"):
            st.switch_page(pages["/"])

    app.page("/legacy", script="legacy.py", title="Legacy", section="Old")
"""

LEGACY = """
    import streamlit as st

    st.set_page_config(layout="wide")
    "A bare string, shown by Streamlit's magic"
    st.text(__file__)
"""


ELSEWHERE = """
    from pathlib import Path

    from fluxlit.worker.external_pages import run_pages

    run_pages("app:app", api_url=Path("api-url").read_text())
"""

PLACES: dict[str, dict[str, Any]] = {
    "one worker": {},
    "two workers": {"streamlit_workers": 2},
    "embedded": {"streamlit_mode": "embedded"},
    "external": {"streamlit_mode": "external"},
}

# Pages are the same code in every worker of ours. These two differ: it, and a Streamlit of which FluxLit is a guest.
in_both_kinds = pytest.mark.parametrize("server", ["one worker", "external"], indirect=True)


@pytest.fixture(scope="module", params=PLACES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("pages")
    (directory / "app.py").write_text(dedent(APP))
    (directory / "legacy.py").write_text(dedent(LEGACY))
    settings = PLACES[request.param]
    with ExitStack() as stack:
        if request.param == "external":
            settings = {"streamlit_upstream": stack.enter_context(streamlit_run(directory))}
        server = stack.enter_context(run_server("app:app", directory, **settings))
        (directory / "api-url").write_text(server.api_url)
        yield server


@pytest.fixture(scope="module")
def window(chromium: Browser, server: Server) -> Iterator[BrowserContext]:
    """A browser for each server, so that the front end is loaded once."""
    with open_visitor(chromium) as visitor:
        yield visitor.page.context


@pytest.fixture
def visitor(window: BrowserContext) -> Iterator[Visitor]:
    with open_tab(window) as visitor:
        yield visitor


@contextmanager
def streamlit_run(directory: Path) -> Iterator[str]:
    """A Streamlit of its own that shows the pages; its address."""
    (directory / "elsewhere.py").write_text(dedent(ELSEWHERE))
    options = ["--server.port=0", "--server.headless=true", "--browser.gatherUsageStats=false"]
    command = [sys.executable, "-m", "streamlit", "run", "elsewhere.py", *options, "--server.address=127.0.0.1"]
    with background(command, cwd=directory, environ=clean_environ()) as streamlit:
        yield f"http://{streamlit.wait_for(r'started on (127.0.0.1:[0-9]+)', 60)[1]}"


def test_the_default_page_lands_at_the_root_with_its_look(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url)

    expect(visitor.heading("Start")).to_be_visible()
    expect(visitor.page).to_have_title("Start here")
    expect(visitor.page.locator("link[rel='shortcut icon']")).to_have_attribute("href", re.compile("🚀"))
    expect(visitor.page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true")
    expect(visitor.page.get_by_text("FluxLit on /api")).to_be_visible()
    visitor.page.wait_for_function(f"{MAIN_WIDTH} > 1000")


@in_both_kinds
def test_the_default_page_has_its_own_address_too(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/start")

    expect(visitor.heading("Start")).to_be_visible()
    expect(visitor.page.get_by_text("Page not found")).to_have_count(0)


@in_both_kinds
def test_the_navigation_has_sections_in_order_and_leaves_out_hidden_pages(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/numbers")

    navigation = visitor.page.get_by_test_id("stSidebarNav")
    names = navigation.get_by_role("link").all_inner_texts()
    assert [name.splitlines()[-1] for name in names] == ["Umlauts", "Stops", "Fails", "Start here", "Numbers", "Legacy"]
    assert navigation.get_by_test_id("stNavSectionHeader").all_inner_texts() == ["Figures", "Old"]


@in_both_kinds
@pytest.mark.parametrize(("path", "heading"), [("secret", "Not in the list"), ("größe", "Umlauts")])
def test_a_deep_link_opens_the_page(server: Server, visitor: Visitor, path: str, heading: str) -> None:
    visitor.visit(f"{server.url}/{path}")

    expect(visitor.heading(heading)).to_be_visible()


def test_a_page_reads_query_headers_and_cookies(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/numbers?size=7&tag=a&tag=b")

    expect(visitor.page.get_by_text("size 7, tags ['a', 'b'], Chrome True, cookie True")).to_be_visible()


def test_a_page_calls_the_api(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/asks")

    expect(visitor.heading("The number is 42")).to_be_visible()


@in_both_kinds
def test_all_pages_share_what_they_do_not_say_themselves(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/größe")
    visitor.page.wait_for_function(f"{MAIN_WIDTH} > 900")
    expect(visitor.page.locator("link[rel='shortcut icon']")).to_have_attribute("href", re.compile("🧪"))
    visitor.page.get_by_test_id("stMainMenu").click()
    visitor.page.get_by_text("About", exact=True).click()
    expect(visitor.page.get_by_text("Made for these tests")).to_be_visible()


def test_a_page_leads_to_other_pages(server: Server, visitor: Visitor) -> None:
    main = visitor.visit(f"{server.url}/links").page.get_by_test_id("stMain")
    main.get_by_role("link", name="Numbers").click()
    expect(visitor.page.get_by_text("size 7, tags []")).to_be_visible()
    expect(visitor.page).to_have_url(f"{server.url}/numbers?size=7")
    visitor.visit(f"{server.url}/links")
    main.get_by_role("link", name="Legacy").click()
    expect(visitor.page.get_by_text("legacy.py")).to_be_visible()
    visitor.visit(f"{server.url}/links")
    main.get_by_role("button", name="Home").click()
    expect(visitor.heading("Start")).to_be_visible()
    expect(visitor.page).to_have_url(f"{server.url}/")


@in_both_kinds
def test_a_bad_link_is_explained_on_the_page(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/numbers?size=many")

    alert = visitor.page.get_by_test_id("stAlert")
    expect(alert).to_contain_text("query parameter size: Input should be a valid integer")
    expect(alert).to_contain_text("many")
    assert visitor.exceptions() == []


def test_dependencies_are_cleaned_up_after_stop_rerun_and_errors(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/fails")
    visitor.visit(f"{server.url}/stops")
    visitor.page.get_by_role("button", name="Rerun").click()

    expect(visitor.page.get_by_test_id("stText")).to_have_text("opened closed opened closed opened closed opened")


@in_both_kinds
def test_a_script_page_keeps_magic_and_its_own_look(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/legacy")

    expect(visitor.page.get_by_text("A bare string, shown by Streamlit's magic")).to_be_visible()
    expect(visitor.page.get_by_text("legacy.py")).to_be_visible()
    expect(visitor.page).to_have_title("Legacy")
    visitor.page.wait_for_function(f"{MAIN_WIDTH} > 900")
