"""A real Chromium, and one visitor's browser window in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    Route,
    expect,
    sync_playwright,
)

# Without a browser's own windows and services a page costs half of the work.
EXECUTABLE = Path("/usr/bin/chromium-headless-shell")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing leaves this machine. A route of Playwright's would pass each request through it and switch the cache off.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
# The first page of a fresh server compiles and imports much; on a busy machine that takes its time.
PATIENCE_MS = 60_000

# What stands in for the few things that Streamlit's front end fetches from elsewhere: icons and map styles.
_EMPTY_IMAGE = '<svg xmlns="http://www.w3.org/2000/svg"/>'
_EMPTY_MAP = '{"version": 8, "sources": {}, "layers": []}'


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """A Chromium; without one the test fails, it is never skipped."""
    if not EXECUTABLE.is_file():
        pytest.fail(f"There is no {EXECUTABLE}. Install it: apt-get install chromium-headless-shell", pytrace=False)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS, timeout=2 * PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """One browser window, and what went wrong in it.

    Attributes:
        page: Playwright's page.
        problems: errors on the console, uncaught exceptions, requests to the server that failed.
    """

    page: Page
    problems: list[str] = field(default_factory=list)

    def visit(self, url: str) -> Visitor:
        """Open a URL and wait until Streamlit has finished its first run."""
        self.page.goto(url)
        self.settle()
        return self

    def settle(self) -> None:
        """Wait until the application is connected and no script is running."""
        app = self.page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-connection-state", "CONNECTED", timeout=PATIENCE_MS)
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=3 * PATIENCE_MS)

    @contextmanager
    def reconnecting(self) -> Iterator[None]:
        """After the block, which breaks the connection, wait for another one.

        `settle` alone can come too early: until the page notices the break, it shows that it is connected, and a click
        is lost.
        """
        with self.page.expect_websocket():
            yield
        self.settle()

    def heading(self, name: str) -> Locator:
        """A heading of the page by its whole text."""
        return self.page.get_by_role("heading", name=name, exact=True)

    def exceptions(self) -> list[str]:
        """What `st.exception` shows on the page."""
        return self.page.get_by_test_id("stException").all_inner_texts()

    def follow(self, name: str) -> None:
        """Click a page in the navigation, and wait until it has run."""
        link = self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)
        address = link.get_attribute("href")
        assert address is not None
        link.click()
        expect(self.page).to_have_url(address)
        self.settle()

    def stand_in_for_others(self) -> None:
        """Answer what the front end fetches elsewhere: icons, map styles.

        Each request passes through Playwright then, and nothing is cached.
        """
        self.page.context.route(_is_elsewhere, _stand_in)

    def watch(self) -> None:
        """Note every problem from now on."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("requestfailed", self._on_failed)
        self.page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        if message.type == "error" and not _is_probe(url) and not _is_elsewhere(url):
            self.problems.append(f"console: {message.text} ({url})")

    def _on_failed(self, request: Request) -> None:
        # A browser aborts what it no longer needs when it leaves a page.
        if request.failure != "net::ERR_ABORTED" and not _is_elsewhere(request.url):
            self.problems.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and not (response.status == 404 and _is_probe(response.url)):
            self.problems.append(f"answer: {response.status} {response.request.method} {response.url}")


@contextmanager
def open_visitor(browser: Browser, **options: Any) -> Iterator[Visitor]:
    """A window with its own cookies and cache, and options of `new_context`."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, **options) as context:
        visitor = Visitor(context.new_page())
        visitor.page.set_default_timeout(PATIENCE_MS)
        visitor.watch()
        yield visitor


@contextmanager
def open_tab(context: BrowserContext) -> Iterator[Visitor]:
    """One more tab of a window, which has loaded the front end already.

    Fails at its end if anything went wrong in it.
    """
    visitor = Visitor(context.new_page())
    visitor.page.set_default_timeout(PATIENCE_MS)
    visitor.watch()
    yield visitor
    visitor.page.close()
    assert visitor.problems == []


def _is_elsewhere(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and parts.hostname not in ("127.0.0.1", "localhost")


def _is_probe(url: str) -> bool:
    """Whether the front end looks for its server below a page, as at first."""
    path = urlsplit(url).path
    return path.count("/") > 2 and path.endswith(("/_stcore/health", "/_stcore/host-config"))


def _stand_in(route: Route) -> None:
    if urlsplit(route.request.url).path.endswith(".json"):
        route.fulfill(status=200, content_type="application/json", body=_EMPTY_MAP)
    else:
        route.fulfill(status=200, content_type="image/svg+xml", body=_EMPTY_IMAGE)
