"""Pages while two releases of Streamlit run behind one balancer.

One replica runs the oldest supported release of Streamlit, the other the installed one; nginx sends each request to the
next. Both have one Redis and one key. A load fetches the page and every file that it names, and one of those that the
front end loads later. Chromium opens pages, and reloads them until both releases have served the tab; at the end one
tab outlives the old replica.

``--old`` is another release, ``--python`` an environment that has one already.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import random
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from harness import Bar, Program, answers, free_port, report, running, stop, table, tool, until, workspace
from page import ARGUMENTS
from playwright.sync_api import Browser, Page, sync_playwright
from replicas import NGINX
from servers import Redis

PACKAGES = Path(__file__).resolve().parents[1] / "packages"

APP = """
import streamlit
from fluxlit import FluxLit

app = FluxLit()


@app.page("/")
def home(st):
    state = st.session_state
    state["runs"] = state.get("runs", 0) + 1
    st.text(f"Streamlit {streamlit.__version__}")
    st.text(f"runs {state['runs']}")
    st.text_input("Name", key="name")
    st.text(f"name {state['name']}")
"""

NAMED = re.compile(rb'(?:src|href)="\./((?:static/|favicon|manifest)[^"]+)"')
CONNECTIONS = 8


def environment(folder: Path, release: str) -> str:
    """The interpreter of a new environment with a release of Streamlit."""
    uv, place = tool("uv", "pip install uv"), folder / "environment"
    wanted = [f"streamlit=={release}.*", *(str(PACKAGES / f"fluxlit-{name}") for name in ("gateway", "cli"))]
    wanted.append(f"{PACKAGES / 'fluxlit-sessions'}[redis,encryption]")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(place), *wanted], check=True)
    return str(place / "bin" / "python")


@contextlib.contextmanager
def replica(python: str, folder: Path, name: str, settings: dict[str, str]) -> Iterator[tuple[Program, int]]:
    """One replica, and its port."""
    port = free_port()
    place = folder / name
    place.mkdir()
    (place / "app.py").write_text(APP)
    command = [python, "-m", "fluxlit_cli", "run", "app:app", "--port", str(port)]
    with running(name, command, place, settings) as program:
        until(program, lambda: answers(f"http://127.0.0.1:{port}/api/readyz"))
        yield program, port


@contextlib.contextmanager
def balanced(folder: Path, ports: list[int]) -> Iterator[str]:
    """Nginx in front of the replicas, round-robin; its URL."""
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in ports)
    (folder / "nginx.conf").write_text(NGINX.format(root=folder, servers=servers, port=port))
    command = [tool("nginx", "apt-get install nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running("nginx", command, folder) as program:
        url = f"http://127.0.0.1:{port}"
        until(program, lambda: answers(f"{url}/api/healthz"))
        yield url


@dataclasses.dataclass
class Loads:
    """Loads of the page over plain HTTP.

    Attributes:
        place: host and port.
        later: paths of files that front ends load later, by the main script of the page.
        pages: how often each release's page came.
        files: how many files were fetched.
        failed: those that did not come.
    """

    place: tuple[str, int]
    later: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    pages: dict[str, int] = dataclasses.field(default_factory=dict)
    files: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)

    async def run(self, count: int) -> None:
        """Load the page so many times, over some connections."""
        numbers = iter(range(count))
        await asyncio.gather(*(self._visitor(numbers) for _ in range(CONNECTIONS)))

    async def _visitor(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            reader, writer = await asyncio.open_connection(*self.place, limit=1 << 20)
            page = (await self._get(reader, writer, "/"))[2]
            named = [path.decode() for path in NAMED.findall(page)]
            main = next(path for path in named if path.startswith("static/js/"))
            self.pages[main] = self.pages.get(main, 0) + 1
            for path in [*named, self.later[main][number % len(self.later[main])]]:
                status, fields, _ = await self._get(reader, writer, f"/{path}")
                self.files += 1
                if status != 200 or b"content-type: text/html" in fields:
                    self.failed.append(f"{status} {path}")
            writer.close()

    async def _get(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
    ) -> tuple[int, bytes, bytes]:
        head = f"GET {path} HTTP/1.1\r\nHost: {self.place[0]}:{self.place[1]}\r\nAccept-Encoding: br\r\n\r\n"
        writer.write(head.encode())
        fields = await reader.readuntil(b"\r\n\r\n")
        length = int(fields.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        return int(fields.split(b" ")[1]), fields.lower(), await reader.readexactly(length)


def lazy_files(python: str) -> tuple[str, list[str]]:
    """Main script of an environment's Streamlit, and all its scripts."""
    where = "import importlib.util; print(importlib.util.find_spec('streamlit').submodule_search_locations[0])"
    found = subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip()
    static = Path(found) / "static"
    page = (static / "index.html").read_bytes()
    main = next(path.decode() for path in NAMED.findall(page) if path.startswith(b"static/js/"))
    scripts = [file.relative_to(static).as_posix() for file in sorted(static.glob("static/js/*.js"))]
    random.Random(1).shuffle(scripts)
    return main, scripts


def settled(page: Page, releases: dict[str, str]) -> str:
    """The release of the page, which must be the server's.

    Raises:
        RuntimeError: they differ.
    """
    page.get_by_test_id("stApp").and_(page.locator("[data-test-script-state=notRunning]")).wait_for(timeout=60_000)
    shown = page.get_by_text(re.compile(r"^Streamlit \d")).inner_text(timeout=60_000).split()[1]
    own = page.locator('script[type="module"][src*="static/js/"]').get_attribute("src") or ""
    if releases[own.removeprefix("./")] != shown:
        raise RuntimeError(f"the page is of {releases[own.removeprefix('./')]}, the server of {shown}")
    return shown


def browse(browser: Browser, url: str, releases: dict[str, str], outlived: Program | None = None) -> dict[str, int]:
    """One person: a name is typed, then the other release serves the tab.

    Args:
        browser: Chromium.
        url: the balancer's.
        releases: by the main scripts of their pages; the first is to be the last that serves.
        outlived: the replica of the other one: it ends, and nothing is reloaded by hand.
    """
    seen = {"loads": 0, "failed files": 0, "misfits": 0, "kept": 0, "anew": 0, "halves": 0}
    newest = next(iter(releases.values()))
    context = browser.new_context()
    page = context.new_page()
    page.on("load", lambda _: seen.update(loads=seen["loads"] + 1))

    def answered(status: int, path: str) -> None:
        seen["failed files"] += status >= 400 and path.startswith("/static/")

    page.on("response", lambda response: answered(response.status, urlsplit(response.url).path))
    page.goto(url)
    try:
        before = settled(page, releases)
        while outlived is not None and before == newest:
            page.reload()
            before = settled(page, releases)
        page.get_by_label("Name").fill("Ada")
        page.get_by_label("Name").press("Enter")
        page.get_by_text("name Ada").wait_for(timeout=60_000)
        if outlived is not None:
            stop(outlived)
            page.get_by_text(f"Streamlit {newest}").wait_for(timeout=60_000)
            settled(page, releases)
        for _ in range(20 if outlived is None else 0):
            page.reload()
            if settled(page, releases) != before:
                break
        runs = int(page.get_by_text(re.compile(r"^runs \d")).inner_text().split()[1])
        name = page.get_by_label("Name").input_value()
        outcome = {(True, "Ada"): "kept", (False, ""): "anew"}.get((runs > 2, name), "halves")
        seen[outcome] += 1
    except RuntimeError:
        seen["misfits"] += 1
    context.close()
    return seen


def main() -> None:
    """Load pages, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=500)
    parser.add_argument("--people", type=int, default=5, help="tabs in Chromium")
    parser.add_argument("--old", default="1.61", help="the other release of Streamlit")
    parser.add_argument("--python", default="", help="an interpreter that has it, and FluxLit")
    parser.add_argument("--quick", action="store_true", help="a tenth of the loads, to see that it runs")
    arguments = parser.parse_args()
    loads, people = (arguments.loads // 10, 1) if arguments.quick else (arguments.loads, arguments.people)
    with workspace() as folder, Redis(folder) as redis, contextlib.ExitStack() as stack:
        pythons = [sys.executable, arguments.python or environment(folder, arguments.old)]
        settings = {"FLUXLIT_SESSION_STORE": redis.url, "FLUXLIT_SECRET_KEY": secrets.token_hex(32)}
        replicas = [
            stack.enter_context(replica(python, folder, name, settings))
            for python, name in zip(pythons, ("new", "old"), strict=True)
        ]
        url = stack.enter_context(balanced(folder, [port for _, port in replicas]))
        later = dict(map(lazy_files, pythons))
        version = "import importlib.metadata as m; print(m.version('streamlit'))"
        releases = {
            main: subprocess.run([python, "-c", version], check=True, capture_output=True, text=True).stdout.strip()
            for main, python in zip(later, pythons, strict=True)
        }
        http = Loads((urlsplit(url).hostname or "", urlsplit(url).port or 80), later)
        asyncio.run(http.run(loads))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            tabs = [browse(browser, url, releases) for _ in range(people)]
            tabs.append(browse(browser, url, releases, replicas[1][0]))
            browser.close()
    rows = [[releases[main], str(count)] for main, count in http.pages.items()]
    rows += [["files fetched", str(http.files)], ["failed", str(len(http.failed))]]
    print(table(f"{loads} loads round-robin over two releases of Streamlit", ["page of", "count"], rows))
    for line, _ in itertools.islice(itertools.groupby(sorted(http.failed)), 10):
        print(f"failed: {line}")
    totals = {what: sum(tab[what] for tab in tabs) for what in tabs[0]}
    print(table(f"{len(tabs)} tabs in Chromium", list(totals), [[str(count) for count in totals.values()]]))
    report(
        [
            Bar("files that failed", len(http.failed), 0),
            Bar("files that failed in Chromium", totals["failed files"], 0),
            Bar("tabs with a page of another release than the server", totals["misfits"], 0),
            Bar("sessions that went on by half", totals["halves"], 0),
            Bar("releases that served the page", len(http.pages), 2, at_least=True),
        ]
    )


if __name__ == "__main__":
    main()
