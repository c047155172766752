"""Capacity of one worker: CPU per rerun, memory and files per session.

These are the figures that `simulation.py` and docs/explanation/scaling.md calculate with. The page is light, so they
are what FluxLit and Streamlit cost; the computing of your own page is added to them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from harness import Bar, Use, answers, fluxlit_run, free_port, report, table, until, workspace
from reruns import APP, LIGHT

HERE = Path(__file__).resolve().parent


def visitors(url: str, *options: str) -> dict[str, float]:
    """Let visitors rerun the page and return what they saw."""
    command = [sys.executable, str(HERE / "visitors.py"), url, *options]
    seen: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)
    return seen


def held(url: str, pids: dict[str, int], sessions: int) -> dict[str, Use]:
    """What each open session takes."""
    before = {name: Use.of(pid) for name, pid in pids.items()}
    command = [sys.executable, str(HERE / "visitors.py"), url, "--hold", "--sessions", str(sessions)]
    crowd = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert crowd.stdout is not None
    assert crowd.stdin is not None
    crowd.stdout.readline()
    found = {name: Use.of(pid).since(before[name], sessions) for name, pid in pids.items()}
    crowd.stdin.close()
    crowd.wait(30)
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--quick", action="store_true", help="little of everything, to see that the benchmark runs")
    arguments = parser.parse_args()
    sessions, seconds = (20, 1.0) if arguments.quick else (arguments.sessions, arguments.seconds)
    with workspace() as folder:
        (folder / "light.py").write_text(LIGHT)
        (folder / "app.py").write_text(APP.format(script="light"))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with fluxlit_run(folder, port) as program:
            until(program, lambda: answers(f"{url}/api/readyz"))
            visitors(url, "--sessions", "10", "--seconds", "1")
            gateway, worker = program.pids()[:2]
            pids = {"gateway": gateway, "worker": worker}
            idle = {name: Use.of(pid) for name, pid in pids.items()}
            session = held(url, pids, sessions)
            before = {name: Use.of(pid) for name, pid in pids.items()}
            seen = visitors(url, "--sessions", "10", "--seconds", str(seconds))
            reruns = round(seen["rate"] * seconds)
            rerun = {name: Use.of(pid).since(before[name], reruns) for name, pid in pids.items()}
            alone = visitors(url, "--sessions", "1", "--seconds", str(seconds))
    rows = [
        [
            name,
            f"{idle[name].memory / 1e6:.0f} MB",
            f"{session[name].memory / 1000:.0f} kB",
            f"{session[name].descriptors}",
            f"{session[name].cpu * 1000:.2f} ms",
            f"{rerun[name].cpu * 1000:.2f} ms",
        ]
        for name in pids
    ]
    heads = ["process", "memory before", "memory a session", "descriptors a session", "CPU to open one", "CPU a rerun"]
    print(table(f"Capacity: a light page, {sessions} sessions", heads, rows))
    print(f"{seen['rate']:.0f} reruns a second with 10 sessions; a core of its own: {1 / rerun['worker'].cpu:.0f}.\n")
    report(
        [
            Bar("CPU of the gateway for a light rerun in ms", rerun["gateway"].cpu * 1000, 0.08),
            Bar("p50 of a click in ms, one session", alone["p50"], 3.5),
        ]
    )


if __name__ == "__main__":
    main()
