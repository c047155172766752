"""A real login in Chromium.

A copied link in another person's window, and the next user of the same tab.
"""

from __future__ import annotations

import contextlib
import re

import pytest
from playwright.sync_api import Browser, Error, expect

from fluxlit.testing import Server
from tests.auth.hostile import HostileProvider
from tests.support.chromium import Visitor, open_visitor

pytestmark = pytest.mark.browser


def log_in(visitor: Visitor, guarded: Server, provider: HostileProvider, subject: str) -> None:
    provider.subject = subject
    visitor.visit(f"{guarded.api_url}/auth/login?return_to=/")
    shows(visitor, subject, 0, 0)


def log_out(visitor: Visitor, guarded: Server) -> None:
    path = f"{guarded.api_url}/auth/logout"
    status = visitor.page.evaluate(
        "path => fetch(path, {method: 'POST', redirect: 'manual'}).then(it => it.type)", path
    )
    assert status == "opaqueredirect"


def shows(visitor: Visitor, who: str, state: int, session: int) -> None:
    expect(visitor.page.get_by_test_id("stText")).to_have_text([who, str(state), str(session)])


def click(visitor: Visitor) -> None:
    visitor.settle()
    visitor.page.get_by_role("button", name="Click").click()


def test_neither_a_copied_link_nor_the_same_tab_gives_anybody_somebody_elses_session(
    guarded: Server, provider: HostileProvider, chromium: Browser
) -> None:
    with open_visitor(chromium) as ada, open_visitor(chromium) as bob:
        log_in(ada, guarded, provider, "ada")
        click(ada)
        shows(ada, "ada", 1, 1)
        expect(ada.page).to_have_url(re.compile("fluxlit_sid="))
        address = ada.page.url

        log_in(bob, guarded, provider, "bob")
        bob.visit(address)
        shows(bob, "bob", 0, 0)
        click(bob)
        shows(bob, "bob", 1, 1)
        assert bob.page.url != address

        ada.page.reload()
        shows(ada, "ada", 1, 1)
        other = Visitor(ada.page.context.new_page())
        other.visit(guarded.url)
        log_out(other, guarded)
        log_in(other, guarded, provider, "carol")
        with contextlib.suppress(Error):  # a tab without its user may be about to load its page by itself
            ada.page.reload()
        shows(ada, "carol", 0, 0)
        ada.page.goto(address)
        shows(ada, "carol", 0, 0)
