"""`fluxlit dev`: what is saved runs, and visitors keep their place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import httpx
import pytest
from playwright.sync_api import expect

from fluxlit.testing import Server, run_server
from tests.support.chromium import Visitor

pytestmark = pytest.mark.browser

APP = """
    from fluxlit import FluxLit
    from pages import register
    from routes import router

    app = FluxLit(title="Reload")
    app.api.include_router(router)
    register(app)
"""

PAGES = """
    def register(app):
        @app.page("/", title="Home")
        def home(st, client):
            st.title("First edition")
            st.session_state.setdefault("clicks", 0)
            if st.button("Count"):
                st.session_state["clicks"] += 1
            st.text(f"clicks: {st.session_state['clicks']}")
            st.text(f"api: {client.get('/edition').json()}")
"""

ROUTES = """
    from fastapi import APIRouter

    router = APIRouter()

    @router.get("/edition")
    def edition() -> str:
        return "one"
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in {"app.py": APP, "pages.py": PAGES, "routes.py": ROUTES}.items():
        (tmp_path / name).write_text(dedent(text))
    return tmp_path


@pytest.fixture
def server(directory: Path) -> Iterator[Server]:
    with run_server("app:app", directory, command="dev") as server:
        yield server


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def wait_for_edition(server: Server, edition: str) -> None:
    deadline = time.monotonic() + 60
    with httpx.Client(trust_env=False, timeout=60) as client:
        while (answer := client.get(f"{server.api_url}/edition")).json() != edition:
            assert time.monotonic() < deadline, f"still {answer.text}\n{server.log()}"
            time.sleep(0.05)


def test_a_saved_page_shows_in_the_open_browser(server: Server, directory: Path, visitor: Visitor) -> None:
    visitor.visit(server.url)
    edit(directory / "pages.py", "First edition", "Second edition")

    expect(visitor.heading("Second edition")).to_be_visible(timeout=60_000)


def test_other_sessions_keep_their_state_over_a_saved_page(
    server: Server, directory: Path, new_visitor: Callable[[], Visitor]
) -> None:
    visitors = [new_visitor().visit(server.url) for _ in range(2)]
    for clicks, visitor in enumerate(visitors, start=1):
        for click in range(clicks):
            visitor.page.get_by_role("button", name="Count").click()
            expect(visitor.page.get_by_text(f"clicks: {click + 1}")).to_be_visible()
    edit(directory / "pages.py", "First edition", "Second edition")

    for clicks, visitor in enumerate(visitors, start=1):
        expect(visitor.heading("Second edition")).to_be_visible(timeout=60_000)
        expect(visitor.page.get_by_text(f"clicks: {clicks}")).to_be_visible()


def test_a_saved_route_answers_anew_and_sessions_stay(server: Server, directory: Path, visitor: Visitor) -> None:
    visitor.visit(server.url)
    visitor.page.get_by_role("button", name="Count").click()
    expect(visitor.page.get_by_text("clicks: 1")).to_be_visible()
    edit(directory / "routes.py", '"one"', '"two"')
    wait_for_edition(server, "two")

    visitor.page.get_by_role("button", name="Count").click()
    expect(visitor.page.get_by_text("clicks: 2")).to_be_visible()
    expect(visitor.page.get_by_text("api: two")).to_be_visible()


def test_a_mistake_is_shown_and_mended(server: Server, directory: Path, visitor: Visitor) -> None:
    visitor.visit(server.url)
    edit(directory / "pages.py", "def home", "deff home")
    expect(visitor.page.get_by_text("SyntaxError").first).to_be_visible(timeout=60_000)
    edit(directory / "pages.py", "deff home", "def home")

    expect(visitor.page.get_by_text("SyntaxError")).to_have_count(0, timeout=60_000)
    expect(visitor.heading("First edition")).to_be_visible()
