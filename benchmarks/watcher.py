"""A person with a real browser among the simulated ones.

It records what the page shows when the store is down, and when.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from people import Count
from playwright.sync_api import Error, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
AWAY = "does not answer"
SAVED = "everything is saved"
CHANGED = "before => document.querySelector('[data-testid=stText]').innerText != before"
PATIENCE_MS = 5000


@dataclass
class Watcher:
    """Clicks once a second in Chromium, and records messages of the page.

    Attributes:
        url: of the page.
        counts: `st.session_state`, and the session of the URL.
        clicks: how often the button was pressed.
        said: message of the page -> when it appeared first, in seconds of the monotonic clock.
        problem: why it could not go on.
    """

    url: str
    counts: tuple[Count, Count] = field(default_factory=lambda: (Count(), Count()))
    clicks: int = 0
    said: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    _doubt: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the browser, and begin in a thread of its own."""
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def stop(self) -> None:
        """Look a last time, and close the browser."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
                page = browser.new_page()
                page.set_default_timeout(PATIENCE_MS)
                page.goto(self.url, timeout=60_000)
                self._click(page)
                browser.close()
        except Error as error:
            self.problem = str(error).splitlines()[0]

    def _click(self, page: Page) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(Error):  # the connection is lost, and comes back
                self._press(page)
            self._listen(page, time.monotonic() + 1)

    def _press(self, page: Page) -> None:
        connected = page.locator("[data-test-connection-state=CONNECTED][data-test-script-state=notRunning]")
        connected.wait_for()
        self._look(page)
        self._doubt = 0
        page.get_by_role("button", name="Click").click()
        self.clicks, self._doubt = self.clicks + 1, 1
        with contextlib.suppress(Error):  # a click that the browser could not send any more
            page.wait_for_function(CHANGED, arg=str(self.counts[0].seen))
        connected.wait_for()
        self._look(page)

    def _look(self, page: Page) -> None:
        before = self.counts[0].seen
        texts = page.get_by_test_id("stText").all_inner_texts()
        for count, found in zip(self.counts, texts, strict=False):
            count.look(int(found), self._doubt)
        if self.counts[0].seen > before:
            self._doubt = 0

    def _listen(self, page: Page, until: float) -> None:
        while time.monotonic() < until:
            with contextlib.suppress(Error):
                for text in page.locator("[data-testid=stToast], [data-testid=stAlert]").all_inner_texts():
                    for known in (AWAY, SAVED):
                        if known in text:
                            self.said.setdefault(known, time.monotonic())
            time.sleep(0.05)


def told(watcher: Watcher, text: str, since: float) -> str:
    """Seconds until the page has said something."""
    at: Any = watcher.said.get(text)
    return "never" if at is None else f"{at - since:.1f}"
