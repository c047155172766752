"""Seconds from the command to an application that answers: `fluxlit run` and `streamlit run`, in turn."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from harness import answers, free_port, running, table, until, workspace

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


def start(name: str, command: list[str], folder: Path, url: str) -> float:
    """Run a command until an address answers, and stop it. Returns seconds."""
    begun = time.monotonic()
    with running(name, command, folder) as program:
        until(program, lambda: answers(url))
        return time.monotonic() - begun


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round, to see that the benchmark runs")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {"streamlit run, healthy": [], "fluxlit run, pages and API ready": []}
    with workspace() as folder:
        (folder / "page.py").write_text(PAGE)
        (folder / "app.py").write_text(APP)
        for _ in range(1 if arguments.quick else arguments.rounds):
            port = str(free_port())
            plain = [sys.executable, "-m", "streamlit", "run", "page.py", "--server.headless=true", "--server.port"]
            plain += [port, "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"]
            seconds["streamlit run, healthy"].append(
                start("streamlit", plain, folder, f"http://127.0.0.1:{port}/_stcore/health")
            )
            port = str(free_port())
            ours = [sys.executable, "-m", "fluxlit_cli", "run", "app:app", "--port", port]
            seconds["fluxlit run, pages and API ready"].append(
                start("fluxlit", ours, folder, f"http://127.0.0.1:{port}/api/readyz")
            )
    base = statistics.median(seconds["streamlit run, healthy"])
    rows = [
        [name, f"{statistics.median(values):.2f} s", f"{min(values):.2f} s", f"{statistics.median(values) / base:.2f}"]
        for name, values in seconds.items()
    ]
    print(table("Start to ready", ["command", "median", "best", "of streamlit run's"], rows))


if __name__ == "__main__":
    main()
