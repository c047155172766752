"""The first page load in Chromium: bytes, and the time to the first text.

Measured beside `streamlit run`.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from typing import Any

from harness import Bar, Program, answers, fluxlit_run, free_port, report, streamlit_run, table, until, workspace
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from reruns import APP

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
SLOW = {"offline": False, "latency": 40, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8}

PAGE = """
import streamlit as st

st.title("Hello")
st.slider("How many?", 0, 100, 42)
st.text("This is the first text.")
"""


@dataclasses.dataclass(frozen=True)
class Load:
    """One load of the page.

    Attributes:
        seconds: to the first text.
        size: bytes received.
        requests: responses that came over the network, not from the browser's cache.
    """

    seconds: float
    size: int
    requests: int


def visit(browser: Browser, url: str, *, slow: bool) -> tuple[Load, Load]:
    """Open the page with an empty cache, and again in another tab."""
    context = browser.new_context()
    loads = load(context, url, slow=slow), load(context, url, slow=slow)
    context.close()
    return loads


def load(context: BrowserContext, url: str, *, slow: bool) -> Load:
    """Open the page in a new tab."""
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    if slow:
        network.send("Network.emulateNetworkConditions", SLOW)
    received: list[int] = []

    def finished(event: dict[str, Any]) -> None:
        received.append(int(event["encodedDataLength"]))

    network.on("Network.loadingFinished", finished)
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_text("This is the first text.").wait_for(timeout=60_000)
    seconds = time.perf_counter() - begun
    page.wait_for_load_state("networkidle")
    page.close()
    return Load(seconds, sum(received), sum(size > 0 for size in received))


def measured(program: AbstractContextManager[Program], url: str, health: str, rounds: int) -> dict[str, float]:
    """Medians over several visits, after one that warms the server up."""
    with program as server, sync_playwright() as playwright:
        until(server, lambda: answers(url + health))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        visit(browser, url, slow=False)
        fast = [visit(browser, url, slow=False) for _ in range(rounds)]
        slow = [visit(browser, url, slow=True) for _ in range(rounds)]
        browser.close()
    return {
        "requests": statistics.median(first.requests for first, _ in fast),
        "bytes": statistics.median(first.size for first, _ in fast),
        "fast": statistics.median(first.seconds for first, _ in fast),
        "slow": statistics.median(first.seconds for first, _ in slow),
        "again requests": statistics.median(second.requests for _, second in slow),
        "again bytes": statistics.median(second.size for _, second in slow),
        "again slow": statistics.median(second.seconds for _, second in slow),
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, to see that the benchmark runs")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    with workspace() as folder:
        (folder / "page.py").write_text(PAGE)
        (folder / "app.py").write_text(APP.format(script="page"))
        port = free_port()
        plain = measured(streamlit_run(folder, port), f"http://127.0.0.1:{port}", "/_stcore/health", rounds)
        subprocess.run([sys.executable, "-m", "fluxlit_cli", "assets"], check=True)  # As an image has it.
        port = free_port()
        ours = measured(fluxlit_run(folder, port), f"http://127.0.0.1:{port}", "/api/readyz", rounds)
    rows = [
        [
            name,
            f"{seen['requests']:.0f}",
            f"{seen['bytes'] / 1e6:.2f} MB",
            f"{seen['fast']:.2f} s",
            f"{seen['slow']:.2f} s",
        ]
        for name, seen in [("streamlit run", plain), ("FluxLit", ours)]
    ]
    heads = ["server", "requests", "bytes", "first text", "first text, 10 Mbit/s and 40 ms"]
    print(table("First page load in Chromium", heads, rows))
    rows = [
        [
            name,
            f"{seen['again requests']:.0f}",
            f"{seen['again bytes'] / 1e3:.0f} kB",
            f"{seen['again slow']:.2f} s",
            f"{seen['again slow'] / seen['slow']:.2f}",
        ]
        for name, seen in [("streamlit run", plain), ("FluxLit", ours)]
    ]
    heads = ["server", "requests", "bytes", "first text, 10 Mbit/s and 40 ms", "of the first visit's"]
    print(table("Second visit, with what the browser has cached", heads, rows))
    report(
        [
            Bar("bytes, of streamlit run's", ours["bytes"] / plain["bytes"], 0.38),
            Bar("first text at 10 Mbit/s and 40 ms, of streamlit run's", ours["slow"] / plain["slow"], 0.45),
            Bar("requests of a second visit, of the first's", ours["again requests"] / ours["requests"], 0.3),
            Bar("first text of a second visit, of the first's", ours["again slow"] / ours["slow"], 0.3),
        ]
    )


if __name__ == "__main__":
    main()
