"""Reruns a second of a light and a heavy page, on one and two workers.

The light page is measured beside `streamlit run`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import Bar, answers, fluxlit_run, free_port, report, streamlit_run, table, until, workspace

HERE = Path(__file__).resolve().parent

LIGHT = """
import streamlit as st

st.title("Hello")
number = st.slider("How many?", 0, 100, 42)
st.button("Again")
st.write(number)
"""

HEAVY = """
import time

import streamlit as st

st.title("Work")
end = time.thread_time() + 0.04
while time.thread_time() < end:
    sum(range(1000))
st.write("done")
"""

APP = """
from fluxlit import FluxLit

app = FluxLit(ui="{script}.py")


@app.api.get("/ping")
def ping() -> str:
    return "pong"
"""


def visitors(url: str, *, sessions: int, seconds: float) -> dict[str, float]:
    """Let visitors rerun the page and return what they saw."""
    command = [sys.executable, str(HERE / "visitors.py"), url, "--sessions", str(sessions), "--seconds", str(seconds)]
    seen: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)
    return seen


def measured(program: Any, url: str, health: str, *, sessions: int, seconds: float) -> dict[str, float]:
    """Start a server, let visitors in, stop it."""
    with program as server:
        until(server, lambda: answers(url + health))
        visitors(url, sessions=sessions, seconds=1)
        return visitors(url, sessions=sessions, seconds=seconds)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--quick", action="store_true", help="two seconds each, to see that the benchmark runs")
    arguments = parser.parse_args()
    seconds = 2.0 if arguments.quick else arguments.seconds
    found: dict[str, dict[str, float]] = {}
    with workspace() as folder:
        (folder / "light.py").write_text(LIGHT)
        (folder / "heavy.py").write_text(HEAVY)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        found["light page, streamlit run"] = measured(
            streamlit_run(folder, port, "light.py"), url, "/_stcore/health", sessions=10, seconds=seconds
        )
        for name, script, workers in [
            ("light page, FluxLit", "light", "1"),
            ("40 ms of CPU, FluxLit, 1 worker", "heavy", "1"),
            ("40 ms of CPU, FluxLit, 2 workers", "heavy", "2"),
        ]:
            (folder / "app.py").write_text(APP.format(script=script))
            port = free_port()
            program = fluxlit_run(folder, port, streamlit_workers=workers)
            found[name] = measured(program, f"http://127.0.0.1:{port}", "/api/readyz", sessions=10, seconds=seconds)
    rows = [
        [name, f"{seen['rate']:.0f}", f"{seen['p50']:.0f} ms", f"{seen['p99']:.0f} ms", f"{seen['cpu']:.0%}"]
        for name, seen in found.items()
    ]
    print(table("Reruns, 10 sessions", ["what", "a second", "p50", "p99", "CPU of the load itself"], rows))
    light = found["light page, FluxLit"]["rate"] / found["light page, streamlit run"]["rate"]
    heavy = found["40 ms of CPU, FluxLit, 2 workers"]["rate"] / found["40 ms of CPU, FluxLit, 1 worker"]["rate"]
    report(
        [
            Bar("reruns of a light page, of streamlit run's", light, 14, at_least=True),
            Bar("two workers, of one worker's", heavy, 1.5, at_least=True),
        ]
    )


if __name__ == "__main__":
    main()
