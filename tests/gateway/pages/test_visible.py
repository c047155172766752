"""A page knows the other pages.

Which of them its visitor may open, and how to lead there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxlit import FluxLit, Pages
from fluxlit.auth.contract import User
from fluxlit.testing import page_test
from tests.gateway.auth.scripted import Scripted


@pytest.fixture
def app(tmp_path: Path) -> FluxLit:
    script = tmp_path / "legacy.py"
    script.write_text("import streamlit as st\nst.text('legacy')\n")
    app = FluxLit(auth=Scripted())

    @app.page("/", public=True, title="Home", icon="🚀")
    def home(st: Any, pages: Pages) -> None:
        st.text(" ".join(pages))
        for path in ("/", "/orders", "/vault", "/legacy"):
            st.page_link(pages[path], query_params={"from": "home"})
        if st.button("Go"):
            st.switch_page(pages["/orders"], query_params={"number": "7"})

    @app.page("/orders", public=True, title="Orders", hidden=True)
    def orders(st: Any) -> None:
        st.text(f"orders {st.query_params.get('number')}")

    @app.page("/vault", title="Vault", roles={"admin"})
    def vault(st: Any) -> None:
        st.text("gold")

    app.page("/legacy", script=script, public=True, title="Legacy")
    return app


def links(element: Any) -> Iterator[tuple[str, str, str]]:
    """Label, page and query of each link between pages that is shown."""
    for block in element.main.children.values():
        if block.type == "page_link":
            yield block.proto.label, block.proto.page, block.proto.query_string


@pytest.mark.parametrize(
    ("user", "open_to"),
    [
        (None, "/ /orders /legacy"),
        (User("ada", "x", "Ada", roles=frozenset({"admin"})), "/ /orders /vault /legacy"),
    ],
)
def test_a_page_knows_what_its_visitor_may_open(app: FluxLit, user: User | None, open_to: str) -> None:
    page = page_test(app, user=user).run()

    assert not page.exception
    assert page.text[0].value == open_to


def test_links_lead_to_pages_and_scripts_with_their_titles(app: FluxLit) -> None:
    page = page_test(app).run()

    assert list(links(page)) == [
        ("Home", "", "from=home"),
        ("Orders", "orders", "from=home"),
        ("Vault", "vault", "from=home"),
        ("Legacy", "legacy", "from=home"),
    ]


def test_a_page_can_hand_over_to_another(app: FluxLit) -> None:
    page = page_test(app).run()
    page.button[0].click().run()

    assert not page.exception
    assert page.text[0].value == "orders 7"


def test_a_landing_page_with_a_path_of_its_own_is_found_by_both() -> None:
    app = FluxLit()

    @app.page("/start", default=True)
    def start(st: Any, pages: Pages) -> None:
        st.text(f"{pages['/'].url_path!r} {pages['/start'].url_path!r} {'/' in pages} {list(pages)}")

    page = page_test(app).run()

    assert page.text[0].value == "'' '' True ['/start']"


def test_a_page_that_there_is_not_is_named_with_its_neighbour(app: FluxLit) -> None:
    @app.page("/lost", public=True)
    def lost(st: Any, pages: Pages) -> None:
        assert "/ordres" not in pages
        st.page_link(pages["/ordres"])

    page = page_test(app, "/lost").run()

    assert "there is no page '/ordres' to lead to (did you mean '/orders'?)" in page.exception[0].value


def test_a_script_leads_to_a_page_that_is_a_function(tmp_path: Path) -> None:
    script = tmp_path / "start.py"
    script.write_text(
        "import streamlit as st\n"
        'if st.button("Go"):\n'
        '    st.switch_page(st.Page(lambda: None, title="Orders", url_path="orders"))\n'
    )
    app = FluxLit()
    app.page("/", script=script)

    @app.page("/orders")
    def orders(st: Any) -> None:
        st.text("the orders")

    page = page_test(app).run()
    page.button[0].click().run()

    assert not page.exception
    assert page.text[0].value == "the orders"
