"""People log in, work and log out.

Chromium, a certified provider, and everything between them.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect

from fluxlit.settings import Settings
from fluxlit.testing import Server
from tests.integration.login.certified import Certified, installed
from tests.integration.login.portal import (
    API_KEY,
    NewVisitor,
    enter,
    expect_provider,
    expect_text,
    log_in,
    login_cookies,
    token,
)
from tests.integration.login.system_pages import system_pages
from tests.support.chromium import Visitor, open_visitor
from tests.support.documentation import documented

pytestmark = pytest.mark.browser

ADA = "Ada <ada@example.org> ['admin', 'staff']"


def test_a_deep_link_leads_through_the_login_and_back(portal: Server, visitor: Visitor) -> None:
    page = visitor.page
    enter(visitor, f"{portal.url}/orders?number=7&note=a%26b%20c", "ada")
    expect_text(page, ADA, "st.user ada True", "the API knows ada", "number 7")
    assert page.evaluate("fetch('/api/me').then(answer => answer.json())") == "ada"
    page.get_by_role("button", name="Count").click()
    expect_text(page, "clicks 1")
    page.reload()
    visitor.settle()
    expect_text(page, ADA, "number 7")
    visitor.follow("Vault")
    expect(visitor.heading("Vault")).to_be_visible()
    [cookie] = login_cookies(page, portal.url)
    assert (cookie["name"].endswith("session"), cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")


def test_a_public_page_is_for_everybody_and_leads_to_the_login_and_out_again(
    portal: Server, visitor: Visitor, provider: Certified
) -> None:
    page = visitor.page
    visitor.visit(portal.url)
    expect_text(page, "Hello stranger")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name="Cancel").click()
    expect(visitor.heading("Sign-in failed")).to_be_visible()
    expect_text(page, "The sign-in was cancelled, or your account may not use this application.")
    page.get_by_role("link", name="Sign in").click()
    log_in(page, "bob")
    expect(page).to_have_url(f"{portal.url}/")
    visitor.settle()
    expect_text(page, "Hello Bob")
    navigation = page.get_by_test_id("stSidebarNav")
    expect(navigation.get_by_role("link", name="Orders")).to_be_visible()
    expect(navigation.get_by_role("link", name="Vault")).to_have_count(0)
    refused = page.goto(f"{portal.url}/vault")
    assert refused is not None
    assert refused.status == 403
    visitor.problems.clear()  # the 400 after the cancelling, and the 403
    expect(visitor.heading("Access denied")).to_be_visible()
    page.get_by_role("link", name="Start page").click()
    visitor.settle()
    visitor.follow("Orders")
    page.get_by_role("link", name="Sign out").click()
    expect_provider(page, provider)
    page.get_by_role("button", name="Yes, sign me out").click()
    expect(page).to_have_url(re.compile(f"{re.escape(portal.url)}/api/auth/logged-out"))
    expect(visitor.heading("You are signed out")).to_be_visible()
    assert login_cookies(page, portal.url) == []
    page.reload()
    expect(visitor.heading("You are signed out")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_text("bob@example.org")).to_have_count(0)
    page.goto(f"{portal.url}/orders")
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_system_pages(scheme: Literal["light", "dark"], chromium: Browser, tmp_path: Path) -> None:
    pages = system_pages(tmp_path, Settings(title="Tea house", streamlit_page_config={"page_icon": "🫖"}))
    axe = (installed() / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    found = {}
    with open_visitor(chromium, color_scheme=scheme) as visitor:
        for name, text in pages.items():
            visitor.page.set_content(text)
            visitor.page.evaluate(axe)
            result = visitor.page.evaluate("axe.run()")
            assert result["passes"], name
            found[name] = [f"{each['impact']}: {each['help']}" for each in result["violations"]]
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_the_starting_page_waits_for_the_application_also_while_nothing_listens(
    chromium: Browser, tmp_path: Path
) -> None:
    answers = iter(["starting", "starting", "away", "ready", "ready"])
    asked = []
    text = system_pages(tmp_path, Settings())["starting"]

    def answer(route: Route) -> None:
        now = next(answers)
        asked.append(f"{route.request.method} {now}")
        if now == "away":
            route.abort("connectionrefused")
        else:
            status, body = (503, text) if now == "starting" else (200, "<h1>Ready</h1>")
            route.fulfill(status=status, content_type="text/html", body=body)

    with open_visitor(chromium) as visitor:
        visitor.page.route("http://127.0.0.1/**", answer)
        visitor.page.goto("http://127.0.0.1/")
        expect(visitor.heading("Ready")).to_be_visible()
    assert asked == ["GET starting", "HEAD starting", "HEAD away", "HEAD ready", "GET ready"]


def test_the_documentation_takes_a_token_or_a_key(portal: Server, visitor: Visitor) -> None:
    page = visitor.page
    me = documented(page, f"{portal.url}/api/docs", "me_me_get")
    answers = me.locator(".live-responses-table tbody")

    def asked(status: int, body: str) -> None:
        me.get_by_role("button", name="Execute").click()
        expect(answers.locator(".response-col_status").first).to_contain_text(str(status))
        expect(answers).to_contain_text(body)

    asked(401, "Authentication required")
    visitor.problems.clear()  # the 401
    for scheme, credential, who in (("JWTBearer", token("nightly"), "nightly"), ("X-API-Key", API_KEY, "robot")):
        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".modal-ux")
        form = dialog.locator("form", has_text=scheme)
        form.locator("input").fill(credential)
        form.get_by_role("button", name="Apply credentials").click()
        dialog.locator(".close-modal").click()
        asked(200, f'"{who}"')
        page.get_by_role("button", name="Authorize").first.click()
        form.get_by_role("button", name="Remove authorization").click()
        dialog.locator(".close-modal").click()
    asked(401, "Authentication required")
    visitor.problems.clear()


def test_two_tabs_log_in_at_once(portal: Server, visitor: Visitor) -> None:
    first, second = visitor.page, visitor.page.context.new_page()
    other = Visitor(second)
    first.goto(f"{portal.url}/orders?number=1")
    second.goto(f"{portal.url}/vault")
    log_in(second, "ada")
    other.settle()
    log_in(first, "ada")
    visitor.settle()
    expect_text(first, ADA, "number 1")
    # The first tab's login has replaced the second tab's, which goes on by itself.
    other.settle()
    expect(other.heading("Vault")).to_be_visible()
    second.reload()
    other.settle()
    expect(other.heading("Vault")).to_be_visible()
    assert len(login_cookies(first, portal.url)) == 1


def test_tokens_are_renewed_and_keys_may_change_in_the_middle(
    portal: Server, visitor: Visitor, provider: Certified
) -> None:
    provider.tell("seconds", seconds=61)  # they are renewed a minute before they end
    try:
        enter(visitor, f"{portal.url}/orders", "ada")
        provider.tell("rotate", kid="second")
        renewals = provider.calls("/token")
        deadline = time.monotonic() + 60
        while provider.calls("/token") == renewals:
            assert visitor.page.evaluate("fetch('/api/me').then(answer => answer.json())") == "ada"
            assert time.monotonic() < deadline, "the tokens are not renewed"
        visitor.page.reload()
        visitor.settle()
        expect_text(visitor.page, ADA)
    finally:
        provider.tell("seconds", seconds=3600)


def test_a_provider_that_is_down_stops_new_logins_and_nothing_else(
    portal: Server, new_visitor: NewVisitor, provider: Certified
) -> None:
    working, late = new_visitor(), new_visitor()
    enter(working, f"{portal.url}/orders", "ada")
    with provider.down():
        refused = late.page.goto(f"{portal.url}/orders?number=3")
        assert refused is not None
        assert refused.status == 503
        late.problems.clear()
        expect(late.heading("Sign-in is not available now")).to_be_visible()
        working.page.reload()
        working.settle()
        expect_text(working.page, ADA)
        robot = httpx.get(f"{portal.api_url}/me", headers={"x-api-key": API_KEY}, timeout=60)
        assert (robot.status_code, robot.json()) == (200, "robot")
    late.page.get_by_role("link", name="Try again").click()
    log_in(late.page, "ada")
    late.settle()
    expect_text(late.page, "number 3")
