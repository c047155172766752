"""Seconds from the command to a response: `fluxlit run`, `streamlit run`."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time

from harness import Bar, Program, answers, fluxlit_run, free_port, report, streamlit_run, table, until, workspace

STREAMLIT = "streamlit run, healthy"
FLUXLIT = "fluxlit run, pages and API ready"

PAGE = """
import streamlit as st

st.title("Hello")
st.slider("How many?", 0, 100, 42)
"""

APP = """
from fluxlit import FluxLit

app = FluxLit()


@app.api.get("/ping")
def ping() -> str:
    return "pong"


@app.page("/")
def home(st):
    st.title("Hello")
    st.slider("How many?", 0, 100, 42)
"""


def start(command: contextlib.AbstractContextManager[Program], begun: float, url: str) -> float:
    """Run a command until an address answers, and stop it. Returns seconds."""
    with command as program:
        until(program, lambda: answers(url))
        return time.monotonic() - begun


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round, to see that the benchmark runs")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {STREAMLIT: [], FLUXLIT: []}
    with workspace() as folder:
        (folder / "page.py").write_text(PAGE)
        (folder / "app.py").write_text(APP)
        for _ in range(1 if arguments.quick else arguments.rounds):
            port = free_port()
            health = f"http://127.0.0.1:{port}/_stcore/health"
            seconds[STREAMLIT].append(start(streamlit_run(folder, port), time.monotonic(), health))
            port = free_port()
            health = f"http://127.0.0.1:{port}/api/readyz"
            seconds[FLUXLIT].append(start(fluxlit_run(folder, port), time.monotonic(), health))
    base = statistics.median(seconds[STREAMLIT])
    rows = [
        [name, f"{statistics.median(values):.2f} s", f"{min(values):.2f} s", f"{statistics.median(values) / base:.2f}"]
        for name, values in seconds.items()
    ]
    print(table("Start to ready", ["command", "median", "best", "of streamlit run's"], rows))
    report([Bar("start to ready, of streamlit run's", statistics.median(seconds[FLUXLIT]) / base, 1.2)])


if __name__ == "__main__":
    main()
