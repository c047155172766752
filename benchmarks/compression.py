"""What compression of WebSocket messages saves, and what it costs.

A page shows a table of a thousand rows that changes with each rerun. Most of it is what tables are made of: dates,
names, numbers of few digits. The time that a line needs follows from the bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from pathlib import Path
from typing import Any

import websockets
from harness import Use, answers, fluxlit_run, free_port, table, until, workspace
from visitors import rerun
from websockets.asyncio.client import ClientConnection

TABLE = """
import random
from datetime import date, timedelta

import pandas as pd
import streamlit as st

day, names = date(2026, 1, 1), ["Ada", "Grace", "Barbara", "Edsger"]
st.dataframe(pd.DataFrame({
    "day": [day + timedelta(random.randrange(300)) for _ in range(1000)],
    "customer": [random.choice(names) for _ in range(1000)],
    "pieces": [random.randrange(100) for _ in range(1000)],
    "price": [round(random.uniform(1, 500), 2) for _ in range(1000)],
}))
"""

APP = """
from fluxlit import FluxLit

app = FluxLit(ui="page.py")
"""

LINES = (1, 10, 100)
"""Megabits a second."""


class Counting(ClientConnection):
    """A connection that counts what comes over the line."""

    received = 0

    def data_received(self, data: bytes) -> None:
        """Count, and go on."""
        self.received += len(data)
        super().data_received(data)


@contextlib.asynccontextmanager
async def tab(url: str) -> Any:
    """One open session, which has run once."""
    async with websockets.connect(
        f"{url.replace('http', 'ws', 1)}/_stcore/stream",
        subprotocols=[websockets.Subprotocol("streamlit"), websockets.Subprotocol("PLACEHOLDER_AUTH_TOKEN")],
        create_connection=Counting,
        max_size=None,
        ping_interval=None,
        proxy=None,
    ) as socket:
        await rerun(socket)
        yield socket


async def measured(url: str, pids: dict[str, int], *, reruns: int, sessions: int) -> dict[str, float]:
    """What a rerun and a session take."""
    async with tab(url) as socket:
        start = socket.received
        before = {name: Use.of(pid) for name, pid in pids.items()}
        for _ in range(reruns):
            await rerun(socket)
        found = {name: Use.of(pid).since(before[name], reruns).cpu * 1000 for name, pid in pids.items()}
        found["bytes"] = (socket.received - start) / reruns
    async with contextlib.AsyncExitStack() as stack:
        idle = Use.of(pids["worker"])
        for _ in range(sessions):
            await stack.enter_async_context(tab(url))
        found["memory"] = Use.of(pids["worker"]).since(idle, sessions).memory
    return found


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reruns", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="few of both, to see that the benchmark runs")
    arguments = parser.parse_args()
    reruns, sessions = (5, 5) if arguments.quick else (arguments.reruns, arguments.sessions)
    found = {}
    with workspace() as folder:
        Path(folder, "page.py").write_text(TABLE)
        Path(folder, "app.py").write_text(APP)
        for switch in ("off", "on"):
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            with fluxlit_run(folder, port, gateway_ws_compression=switch) as program:
                until(program, lambda url=url: answers(f"{url}/api/readyz"))  # type: ignore[misc]
                pids = dict(zip(("gateway", "worker"), program.pids(), strict=False))
                found[switch] = asyncio.run(measured(url, pids, reruns=reruns, sessions=sessions))
    rows = [
        [
            switch,
            f"{each['bytes'] / 1000:.1f} kB",
            f"{each['worker']:.2f} ms",
            f"{each['gateway']:.2f} ms",
            f"{each['memory'] / 1000:.0f} kB",
            *(f"{each['bytes'] * 8 / line / 1000:.1f} ms" for line in LINES),
        ]
        for switch, each in found.items()
    ]
    heads = ["compression", "a rerun", "CPU in the worker", "CPU in the gateway", "memory a session"]
    print(table("Rerun with a table of 1,000 rows", [*heads, *(f"at {line} Mbit/s" for line in LINES)], rows))


if __name__ == "__main__":
    main()
