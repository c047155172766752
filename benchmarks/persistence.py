"""Cost of sessions in a rerun of a light page.

There are two kinds: a session kept by its URL, and a copy of the whole session.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import websockets
from harness import Bar, Program, answers, fluxlit_run, free_port, report, running, table, tool, until, workspace
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

APP = """
from fluxlit import Depends, FluxLit, SessionStore
from fluxlit_sessions import url_session

app = FluxLit(title="Light")

def light(st):
    st.title("Hello")
    number = st.slider("How many?", 0, 100, 42)
    st.button("Again")
    st.write(number)

def kept(st, store: SessionStore):
    with url_session(st, store, persist=["cart", "filters"]) as session:
        yield session

@app.page("/")
def plain(st):
    light(st)

@app.page("/kept")
def unchanged(st, session=Depends(kept)):
    st.session_state.setdefault("cart", [{"sku": f"item-{number}", "count": number} for number in range(20)])
    st.session_state.setdefault("filters", {"colour": "red", "size": [1, 2, 3]})
    light(st)

@app.page("/state")
def state(st):
    st.session_state.setdefault("cart", [{"sku": f"item-{number}", "count": number} for number in range(20)])
    st.session_state.filters = st.session_state.get("filters", 0) + 1
    light(st)

@app.page("/changed")
def changed(st, session=Depends(kept)):
    st.session_state.setdefault("cart", [{"sku": f"item-{number}", "count": number} for number in range(20)])
    st.session_state.filters = st.session_state.get("filters", 0) + 1
    light(st)
"""

PAGES = {
    "no session": (False, ""),
    "kept, unchanged": (False, "kept"),
    "kept, changed each time": (False, "changed"),
    "state changed each time": (False, "state"),
    "no session, copied": (True, ""),
    "state changed each time, copied": (True, "state"),
}
"""Name -> whether the server copies whole sessions, and the page."""

BARS = {
    "kept, unchanged": "no session",
    "no session, copied": "no session",
    "state changed each time, copied": "state changed each time",
}
"""What is compared with what."""

ADDED_MS = 2.0
"""What a session may add to a rerun: one trip to the store before it, and one after."""


@dataclass
class Tab:
    """One visitor of one page.

    Attributes:
        page: its path without a slash.
        socket: the open connection.
        query: the address, as the server has set it.
        seconds: how long each rerun took.
        cpu: seconds of processor time that the worker has spent on them.
    """

    page: str
    socket: Any
    query: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0

    async def rerun(self) -> None:
        """Ask for a run and wait for its end."""
        ask = BackMsg()
        ask.rerun_script.page_name, ask.rerun_script.query_string = self.page, self.query
        await self.socket.send(ask.SerializeToString())
        while True:
            message = ForwardMsg.FromString(await self.socket.recv())
            kind = message.WhichOneof("type")
            if kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            elif kind == "script_finished":
                return

    async def measure(self, worker: psutil.Process, count: int) -> None:
        """Rerun some times."""
        before = worker.cpu_times()
        for _ in range(count):
            begun = time.perf_counter()
            await self.rerun()
            self.seconds.append(time.perf_counter() - begun)
        after = worker.cpu_times()
        self.cpu += after.user + after.system - before.user - before.system


async def measure(servers: dict[bool, tuple[str, psutil.Process]], rounds: int, count: int) -> dict[str, Tab]:
    """Visit the pages in turn, so that other load of the machine affects all."""
    tabs = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, (copied, page) in PAGES.items():
            url = servers[copied][0]
            socket = await stack.enter_async_context(
                websockets.connect(
                    f"{url.replace('http', 'ws', 1)}/_stcore/stream",
                    subprotocols=[websockets.Subprotocol("streamlit"), websockets.Subprotocol("none")],
                    compression=None,
                    max_size=None,
                    proxy=None,
                )
            )
            tabs[name] = Tab(page, socket)
            for _ in range(10):
                await tabs[name].rerun()
        for _ in range(rounds):
            for name, tab in tabs.items():
                await tab.measure(servers[PAGES[name][0]][1], count)
    return tabs


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis on loopback; its URL."""
    port = free_port()
    program = tool("redis-server", "apt-get install redis-server")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with running("redis", command, folder) as server:
        until(server, lambda: b"Ready to accept" in server.log.read_bytes())
        yield f"redis://127.0.0.1:{port}"


def worker_of(server: Program) -> psutil.Process:
    """The worker process of a FluxLit."""
    below = psutil.Process(server.process.pid).children(recursive=True)
    return next(process for process in below if "fluxlit.worker" in process.cmdline())


@contextlib.contextmanager
def serving(folder: Path, store: str, *, copied: bool) -> Iterator[tuple[str, psutil.Process]]:
    """A FluxLit with or without copies of sessions: its address and worker."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with fluxlit_run(folder, port, session_store=store, restore_sessions=str(copied).lower()) as server:
        until(server, partial(answers, f"{address}/api/readyz"))
        yield address, worker_of(server)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that the benchmark runs")
    rounds = 2 if parser.parse_args().quick else 20
    rows, bars = [], []
    with workspace() as folder, redis(folder) as redis_url:
        (folder / "app.py").write_text(APP)
        for store, url in (("Redis on loopback", redis_url), ("SQLite file", f"sqlite:///{folder}/sessions.db")):
            with contextlib.ExitStack() as stack:
                servers = {copied: stack.enter_context(serving(folder, url, copied=copied)) for copied in (False, True)}
                tabs = asyncio.run(measure(servers, rounds, 30))
            medians = {name: statistics.median(tab.seconds) * 1000 for name, tab in tabs.items()}
            cpu = {name: tab.cpu / len(tab.seconds) * 1000 for name, tab in tabs.items()}
            rows += [
                [
                    store,
                    name,
                    f"{medians[name]:.2f}",
                    f"{medians[name] / medians[BARS.get(name, 'no session')]:.2f}",
                    f"{cpu[name]:.2f}",
                ]
                for name in PAGES
            ]
            for name, beside in BARS.items():
                bars.append(Bar(f"{store}: ms more, {name}, than {beside}", medians[name] - medians[beside], ADDED_MS))
    print(table("A rerun with a session", ["store", "page", "p50 ms", "ratio", "worker CPU ms"], rows))
    report(bars)


if __name__ == "__main__":
    main()
