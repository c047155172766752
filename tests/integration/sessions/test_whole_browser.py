"""The whole session in Chromium.

A killed worker, a rolling restart, a store that stops while a person clicks.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from urllib.parse import urljoin

import pytest
from playwright.sync_api import FilePayload, Route, expect

from fluxlit.testing import Server, run_server
from tests.integration.sessions.test_whole_session import OUTAGE_S, kill_worker
from tests.sessions.servers import RedisServer, watched
from tests.support.chromium import PATIENCE_MS, Visitor

pytestmark = pytest.mark.browser

APP = """
    import os

    import streamlit as st
    from fluxlit import FluxLit, restored_session

    app = FluxLit(title="Whole")

    def press():
        st.session_state.presses = st.session_state.get("presses", 0) + 1

    @app.page("/")
    def home(st):
        st.title("Whole")
        st.button("Press", on_click=press)
        name = st.text_input("Name", key="name")
        st.text(f"{name} pressed {st.session_state.get('presses', 0)}")

    @app.page("/form")
    def form(st):
        st.title("Form")
        restored_session()  # this page gets along with a part of its values
        st.session_state.setdefault("level", 3)
        size = st.number_input("Size", value=1)
        level = st.slider("Level", 0, 10, key="level")
        kind = st.selectbox("Kind", [int, str, float], format_func=lambda kind: kind.__name__)
        on = st.checkbox("On")
        st.text(f"{size} {level} {kind.__name__} {on}")
        st.data_editor({"a": [1, 2]}, key="rows")
        st.text(f"edited {len(st.session_state.rows['edited_rows'])}")
        if st.button("Remember"):
            st.session_state.kept = object()
        st.text("kept" if "kept" in st.session_state else "nothing")

    @app.page("/upload")
    def upload(st):
        st.title("Upload")
        file = st.file_uploader("File", key="file")
        st.text(file.getvalue().decode() if file else "no file")
        back = restored_session()
        st.text(f"lost {sorted(back.lost)}" if back else "as ever")

    @app.page("/report")
    def report(st):
        st.title("Report")
        st.text(f"made by {os.getpid()}")
        st.download_button("Download", b"the report", "report.txt", on_click="ignore")
"""


@pytest.fixture(scope="module")
def server(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("whole")
    (directory / "app.py").write_text(dedent(APP))
    url = f"{redis_server.url}?namespace=browser&read_budget=0.3&write_budget=0.5"
    with run_server("app:app", directory, command="run", session_store=url) as server:
        yield server


def lose_worker(visitor: Visitor, server: Server) -> None:
    expect(visitor.page.get_by_text("does not answer")).to_have_count(0)  # else it has something to save
    with visitor.reconnecting():
        kill_worker(server)


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
        lose_worker(visitor, server)
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
        time.sleep(OUTAGE_S - 1)
        press(visitor, "pressed 2")
        expect(visitor.page.get_by_text("The server that keeps your session does not answer")).to_be_visible()
        press(visitor, "pressed 3")
        expect(visitor.page.get_by_text("The server that keeps your session does not answer")).to_be_visible()
    finally:
        redis_server.start()
    expect(visitor.page.get_by_text("answers again, and everything is saved")).to_be_visible()
    lose_worker(visitor, server)
    press(visitor, "pressed 4")
    visitor.problems.clear()


def test_a_failover_of_the_store_is_shown_and_nothing_is_lost(tmp_path: Path, visitor: Visitor) -> None:
    (tmp_path / "app.py").write_text(dedent(APP))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flx")))
        group = stack.enter_context(watched(folder))
        store = f"{group.url}?replicas=1&read_budget=0.3&write_budget=0.5"
        server = stack.enter_context(run_server("app:app", tmp_path, command="run", session_store=store))
        visitor.visit(server.url)
        press(visitor, "pressed 1")
        group.primary.kill()
        press(visitor, "pressed 2")
        expect(visitor.page.get_by_text("The server that keeps your session does not answer")).to_be_visible()
        group.return_as_replica()
        expect(visitor.page.get_by_text("answers again, and everything is saved")).to_be_visible()
        press(visitor, "pressed 3")
        lose_worker(visitor, server)
        press(visitor, "pressed 4")
    visitor.problems.clear()


def fill(visitor: Visitor, label: str, value: str) -> None:
    field = visitor.page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    visitor.settle()


def shown(visitor: Visitor, *texts: str) -> None:
    for text in texts:
        expect(visitor.page.get_by_text(text, exact=True)).to_be_visible()


def reload(visitor: Visitor) -> None:
    visitor.page.reload()
    visitor.settle()


def test_a_reload_goes_on_with_the_session_and_shows_what_widgets_say(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/form")
    shown(visitor, "1 3 int False", "nothing")
    fill(visitor, "Size", "7")
    visitor.page.get_by_text("On", exact=True).click()
    visitor.page.get_by_role("combobox", name="Kind").click()
    visitor.page.get_by_role("option", name="str").click()
    visitor.page.get_by_role("slider").press("ArrowRight")
    shown(visitor, "7 4 str True")
    visitor.page.get_by_role("button", name="Remember").click()
    shown(visitor, "kept")
    visitor.settle()

    reload(visitor)
    # In the same worker even what no store could hold is still there.
    shown(visitor, "7 4 str True", "kept")
    as_filled(visitor)

    lose_worker(visitor, server)
    reload(visitor)
    shown(visitor, "7 4 str True", "nothing")
    as_filled(visitor)
    fill(visitor, "Size", "8")
    shown(visitor, "8 4 str True")

    visitor.page.goto("about:blank")
    visitor.visit(f"{server.url}/form")
    shown(visitor, "1 3 int False", "nothing")
    visitor.problems.clear()


def as_filled(visitor: Visitor) -> None:
    expect(visitor.page.get_by_label("Size", exact=True)).to_have_value("7")
    expect(visitor.page.get_by_role("checkbox", name="On")).to_be_checked()
    expect(visitor.page.get_by_role("slider")).to_have_value("4")
    expect(visitor.page.get_by_role("combobox", name="Kind")).to_have_value("str")


def test_a_tab_that_another_one_opens_has_a_session_of_its_own(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url)
    press(visitor, "pressed 1")
    with visitor.page.expect_popup() as opened:
        visitor.page.evaluate("window.open(location.href)")  # with a copy of this tab's sessionStorage
    other = Visitor(opened.value)
    press(other, "pressed 1")
    reload(other)
    press(other, "pressed 2")
    press(visitor, "pressed 2")


def test_a_page_of_another_release_than_its_server_is_loaded_again_but_not_for_ever(
    server: Server, visitor: Visitor
) -> None:
    visitor.stand_in_for_others()  # so that the browser does not cache the script that `former` makes
    # Counted by each document itself: one that is left early has no event of its end.
    visitor.page.add_init_script("if (self === top) sessionStorage.pages = 1 + Number(sessionStorage.pages ?? 0)")
    visitor.visit(server.url)
    press(visitor, "pressed 1")
    assert pages(visitor) == 1
    (release,) = re.findall(r"version:`(1\.\d+\.\d+)`\}\.version", main_script(visitor))

    def former(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace(f"version:`{release}`", "version:`1.0.0`"))

    visitor.page.context.route("**/static/js/index.*.js", former, times=1)
    visitor.page.reload()
    visitor.page.wait_for_function(
        "() => sessionStorage.pages === '3' && document.readyState === 'complete'", timeout=PATIENCE_MS
    )
    expect(visitor.page.get_by_text("pressed 1", exact=True)).to_be_visible()
    visitor.settle()
    press(visitor, "pressed 2")
    assert pages(visitor) == 3
    visitor.page.context.route("**/static/js/index.*.js", former)
    visitor.page.reload()
    expect(visitor.page.get_by_text("pressed 2", exact=True)).to_be_visible()
    press(visitor, "pressed 3")
    assert pages(visitor) <= 7
    visitor.problems.clear()  # requests of the pages that were left


def pages(visitor: Visitor) -> int:
    """How many documents the tab has had."""
    return int(visitor.page.evaluate("sessionStorage.pages"))


def main_script(visitor: Visitor) -> str:
    address = visitor.page.locator('script[type="module"][src*="static/js/index."]').get_attribute("src")
    return visitor.page.request.get(urljoin(visitor.page.url, address)).text()


def test_a_page_loads_again_if_a_part_of_it_is_of_a_former_release(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url)
    press(visitor, "pressed 1")
    loads: list[int] = []
    visitor.page.on("load", lambda _: loads.append(1))
    missing = "**/static/js/DataFrame.*.js"
    visitor.page.context.route(missing, lambda route: route.fallback() if loads else route.fulfill(status=404))

    def another(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace("static/js/index.", "static/js/other."))

    visitor.page.context.route(lambda url: url.endswith("/form"), another, times=1)
    with visitor.page.expect_event("load"):
        visitor.page.get_by_test_id("stSidebarNav").get_by_role("link", name="form").click()
    shown(visitor, "1 3 int False", "edited 0")
    visitor.settle()
    visitor.page.get_by_test_id("stSidebarNav").get_by_role("link", name="home").click()
    press(visitor, "pressed 2")
    visitor.problems.clear()


def test_a_download_works_after_a_failover_without_a_click_before(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/report")
    for _ in range(2):
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("button", name="Download").click()
        assert download.value.path().read_text() == "the report"
        maker = visitor.page.get_by_text("made by").inner_text()
        lose_worker(visitor, server)
        expect(visitor.page.get_by_text(maker)).to_have_count(0)
        visitor.settle()
    visitor.problems.clear()


def test_after_a_failover_a_lost_upload_is_named_and_another_one_works(server: Server, visitor: Visitor) -> None:
    def upload(content: str) -> None:
        file = FilePayload(name=f"{content}.txt", mimeType="text/plain", buffer=content.encode())
        visitor.page.locator("input[type=file]").set_input_files(files=[file])
        shown(visitor, content)
        visitor.settle()

    visitor.visit(f"{server.url}/upload")
    upload("first")
    reload(visitor)
    shown(visitor, "no file")  # as the browser has it
    upload("first")
    lose_worker(visitor, server)
    upload("second")
    shown(visitor, "lost ['file']")
    visitor.problems.clear()
