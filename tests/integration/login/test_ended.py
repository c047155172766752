"""What happens in open tabs when a login ends.

By the user, by the provider, and by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from fluxlit.testing import Server
from tests.integration.login.certified import Certified
from tests.integration.login.portal import (
    WATCH_SOCKETS,
    enter,
    expect_closed,
    expect_provider,
    expect_text,
    forgive_refused_probes,
    log_in,
    run_portal,
)
from tests.support.chromium import Visitor

pytestmark = pytest.mark.browser

# A busy machine takes some seconds from the login to the first click, and from a limit to the page's notice of it.
IDLE_S, ABSOLUTE_S, LATE_S = 8, 16, 20


@pytest.fixture(scope="module")
def closed_portal(provider: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """No page is public, so that without a login nothing of the UI can be had."""
    with run_portal(provider, tmp_path_factory.mktemp("closed"), closed=True) as server:
        yield server


@pytest.fixture(scope="module")
def hasty_portal(provider: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Logins are short. The UI is in the gateway's own process."""
    settings = {
        "login_idle_timeout_s": IDLE_S,
        "login_absolute_timeout_s": ABSOLUTE_S,
        "streamlit_mode": "embedded",
    }
    with run_portal(provider, tmp_path_factory.mktemp("hasty"), closed=True, **settings) as server:
        yield server


def expect_notice(page: Page) -> None:
    """The tab shows that its login has ended."""
    expect(page.get_by_role("dialog", name="You are signed out")).to_be_visible()


def sign_in_again(page: Page) -> None:
    page.get_by_role("button", name="Sign in again").click()


def test_a_logout_at_the_provider_closes_the_tab_and_the_tab_says_how_to_go_on(
    closed_portal: Server, visitor: Visitor, provider: Certified
) -> None:
    """OpenID Connect Back-Channel Logout 1.0; ASVS 14.3.1.

    What the user has seen is gone.
    """
    page = visitor.page
    page.add_init_script(WATCH_SOCKETS)
    enter(visitor, f"{closed_portal.url}/orders?number=5", "ada")
    elsewhere = page.context.new_page()
    elsewhere.goto(f"{provider.issuer}/session/end")
    with elsewhere.expect_request("**/session/end/confirm") as asked:
        elsewhere.get_by_role("button", name="Yes, sign me out").click()
    expect_closed(page, asked.value)
    expect_notice(page)
    expect(page.get_by_text("ada@example.org")).to_have_count(0)
    sign_in_again(page)
    log_in(page, "ada")
    visitor.settle()
    expect_text(page, "number 5", "st.user ada True")
    expect(page.get_by_role("dialog")).to_have_count(0)
    forgive_refused_probes(visitor)


def test_a_logout_in_one_tab_is_seen_in_the_other_which_goes_on_after_a_new_login(
    closed_portal: Server, visitor: Visitor, provider: Certified
) -> None:
    """OpenID Connect RP-Initiated Logout 1.0."""
    first, second = visitor.page, visitor.page.context.new_page()
    other = Visitor(second)
    second.add_init_script(WATCH_SOCKETS)
    enter(visitor, f"{closed_portal.url}/orders", "bob")
    other.visit(f"{closed_portal.url}/orders?number=2")
    with first.expect_request("**/api/auth/logout?*") as asked:
        first.get_by_role("link", name="Sign out").click()
    expect_closed(second, asked.value)
    expect_notice(second)
    expect_provider(first, provider)
    first.get_by_role("button", name="Yes, sign me out").click()
    expect(visitor.heading("You are signed out")).to_be_visible()
    first.go_back()
    expect(first.get_by_text("bob@example.org")).to_have_count(0)
    first.goto(f"{closed_portal.url}/orders")
    log_in(first, "bob")
    visitor.settle()
    other.settle()
    expect(second.get_by_role("dialog")).to_have_count(0)
    expect_text(second, "number 2", "st.user bob True")
    forgive_refused_probes(visitor)


def test_a_login_ends_unused_and_however_much_it_is_used(hasty_portal: Server, visitor: Visitor) -> None:
    """ASVS 7.3.1 and 7.3.2."""
    page = visitor.page
    page.add_init_script(WATCH_SOCKETS)
    enter(visitor, f"{hasty_portal.url}/orders", "ada")
    started = time.time()
    while not page.evaluate("window.closedSockets.length"):
        assert time.time() - started < ABSOLUTE_S + LATE_S
        page.get_by_role("button", name="Count").dispatch_event("click")
        page.wait_for_timeout(400)
    code, moment = page.evaluate("window.closedSockets[0]")
    assert code == 1008
    assert IDLE_S < moment - started < ABSOLUTE_S + LATE_S, "work keeps a login alive, and not for ever"
    expect_notice(page)
    sign_in_again(page)
    visitor.settle()  # the provider still knows the user
    expect_text(page, "st.user ada True")
    started = time.time()
    page.wait_for_function("window.closedSockets.length")
    assert page.evaluate("window.closedSockets[0][1]") - started < IDLE_S + LATE_S, (
        "loading is use, and then there is none"
    )
    expect_notice(page)
    forgive_refused_probes(visitor)
