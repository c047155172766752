"""A visitor's session in Chromium.

Reload, second tab, another person's link, killed worker, stopped store.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from textwrap import dedent
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, expect

from fluxlit.testing import Server, run_server
from tests.sessions.servers import RedisServer
from tests.support.chromium import Visitor, open_visitor

pytestmark = pytest.mark.browser

APP = """
    from collections.abc import Iterator
    from typing import Any

    from fluxlit import Depends, FluxLit, SessionStore
    from fluxlit_sessions import UrlSession, url_session

    app = FluxLit(title="Shop")

    @app.page("/", title="Shop")
    def shop(st, session):
        st.title("Shop")
        if st.button("Add"):
            session.change("count", lambda count: count + 1, default=0)
        st.text(f"count {session.get('count', 0)}")
        if st.button("Switch"):
            st.switch_page(st.Page(lambda: None, url_path="other"))
        st.html(f'<a href="http://localhost:{st.query_params.get("out", "")}/">away</a>')

    @app.page("/other", title="Other")
    def other(st, session: UrlSession):
        st.title("Other")
        st.text(f"count {session.get('count', 0)}")
        st.markdown(f"[Linked]({session.href('/')})")

    def bound(st, store: SessionStore) -> Iterator[Any]:
        with url_session(st, store, user=st.context.cookies.get("user"), persist=["cart"]) as session:
            yield session

    @app.page("/mine", title="Mine")
    def mine(st, session: Any = Depends(bound)):
        st.title("Mine")
        cart = st.session_state.setdefault("cart", [])
        if st.button("Add"):
            cart.append("apple")
            st.rerun()
        st.text(f"{session.user} has {len(cart)}")
"""


@pytest.fixture(scope="module")
def server(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("shop")
    (directory / "app.py").write_text(dedent(APP))
    url = f"{redis_server.url}?read_budget=0.3&write_budget=0.5"
    # Uvicorn's own access line, which shows the whole query of every request.
    with run_server("app:app", directory, command="uvicorn", session_store=url) as server:
        yield server


def text(visitor: Visitor, content: str) -> None:
    expect(visitor.page.get_by_text(content, exact=True)).to_be_visible()


def add(visitor: Visitor, then: str) -> None:
    visitor.page.get_by_role("button", name="Add").click()
    text(visitor, then)
    visitor.settle()


def session_id(visitor: Visitor) -> str:
    return parse_qs(urlsplit(visitor.page.url).query)["fluxlit_sid"][0]


@contextlib.contextmanager
def signed_in(browser: Browser, url: str, user: str) -> Iterator[Visitor]:
    with open_visitor(browser) as visitor:
        visitor.page.context.add_cookies([{"name": "user", "value": user, "url": url}])
        yield visitor


def test_a_reload_a_second_tab_and_another_page_show_the_same_session(
    server: Server, new_visitor: Callable[[], Visitor]
) -> None:
    first = new_visitor().visit(server.url)
    assert "fluxlit_sid" not in first.page.url
    add(first, "count 1")
    expect(first.page).to_have_url(re.compile("fluxlit_sid="))
    address, found = first.page.url, session_id(first)

    first.page.reload()
    text(first, "count 1")
    second = new_visitor().visit(address)
    text(second, "count 1")
    add(second, "count 2")
    add(first, "count 3")

    first.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Other", exact=True).click()
    expect(first.heading("Other")).to_be_visible()
    text(first, "count 3")
    expect(first.page).to_have_url(re.compile(r"/other\?.*fluxlit_sid="))
    assert session_id(first) == found

    first.page.reload()
    text(first, "count 3")
    with first.page.context.expect_page() as opened:
        first.page.get_by_role("link", name="Linked").click()
    linked = Visitor(opened.value)
    text(linked, "count 3")
    linked.settle()
    linked.page.get_by_role("button", name="Switch").click()
    expect(linked.heading("Other")).to_be_visible()
    text(linked, "count 3")
    expect(linked.page).to_have_url(re.compile(r"/other\?.*fluxlit_sid="))
    assert session_id(linked) == found


def test_the_back_button_leads_back_and_never_out_of_the_session(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/other")
    visitor.page.goto(server.url)
    add(visitor, "count 1")
    expect(visitor.page).to_have_url(re.compile("fluxlit_sid="))

    visitor.page.go_back()
    text(visitor, "count 1")
    expect(visitor.page).to_have_url(re.compile("fluxlit_sid="))
    visitor.settle()
    visitor.page.go_back()
    expect(visitor.heading("Other")).to_be_visible()


def test_somebody_elses_link_opens_a_session_of_ones_own(server: Server, chromium: Browser) -> None:
    with signed_in(chromium, server.url, "ada") as ada, signed_in(chromium, server.url, "bob") as bob:
        ada.visit(f"{server.url}/mine")
        add(ada, "ada has 1")
        add(ada, "ada has 2")
        expect(ada.page).to_have_url(re.compile("fluxlit_sid="))

        bob.visit(ada.page.url)
        text(bob, "bob has 0")
        add(bob, "bob has 1")
        assert session_id(bob) != session_id(ada)

        ada.page.reload()
        text(ada, "ada has 2")


def test_an_invented_id_is_not_adopted(server: Server, visitor: Visitor) -> None:
    invented = "A" * 44
    visitor.visit(f"{server.url}/?fluxlit_sid={invented}")
    text(visitor, "count 0")
    add(visitor, "count 1")
    expect(visitor.page).not_to_have_url(re.compile(invented))


def test_a_killed_worker_takes_nothing_with_it(server: Server, chromium: Browser) -> None:
    with signed_in(chromium, server.url, "eve") as visitor:
        visitor.visit(f"{server.url}/mine")
        add(visitor, "eve has 1")
        with visitor.reconnecting():
            for pid in server.processes():
                if "fluxlit.worker" in psutil.Process(pid).cmdline():
                    psutil.Process(pid).kill()
        # The tab is connected to another process now, and has not been reloaded.
        add(visitor, "eve has 2")
        visitor.page.reload()
        text(visitor, "eve has 2")


def test_a_stopped_store_is_shown_and_loses_nothing(
    server: Server, redis_server: RedisServer, new_visitor: Callable[[], Visitor]
) -> None:
    known = new_visitor().visit(server.url)
    add(known, "count 1")
    expect(known.page).to_have_url(re.compile("fluxlit_sid="))
    address = known.page.url

    redis_server.kill()
    try:
        add(known, "count 2")
        expect(known.page.get_by_text("does not answer")).to_be_visible()
        stranger = new_visitor().visit(address)
        expect(stranger.page.get_by_text("Your session is not lost")).to_be_visible()
        expect(stranger.page.get_by_text("count")).to_have_count(0)
    finally:
        redis_server.start()
    add(known, "count 3")
    expect(known.page.get_by_text("does not answer")).to_have_count(0)
    stranger.page.get_by_role("button", name="Try again").click()
    text(stranger, "count 3")
    assert session_id(known) == session_id(stranger)


def test_the_id_is_in_no_log_line_and_in_no_referer(server: Server, visitor: Visitor) -> None:
    referers: list[str] = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            referers.append(self.headers.get("Referer", ""))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        visitor.visit(f"{server.url}/?out={elsewhere.server_port}")
        add(visitor, "count 1")
        expect(visitor.page).to_have_url(re.compile("fluxlit_sid="))
        found = session_id(visitor)
        visitor.page.reload()
        text(visitor, "count 1")
        with visitor.page.context.expect_event("request", lambda request: "localhost" in request.url):
            visitor.page.get_by_text("away").click()
        visitor.page.context.pages[-1].wait_for_load_state()
        elsewhere.shutdown()

    assert re.search(r"GET /\?out=\*\*\*&fluxlit_sid=\*\*\* HTTP", server.log()), server.log()
    assert found not in server.log()
    assert referers
    assert not any(found in referer for referer in referers)
