"""Routes that block beside pages, and routes that compute.

Each figure is a ratio inside one run: with the blocking route and without it, with two API workers and with one. The
processor time of the load generator is shown, for it shares the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import Bar, answers, fluxlit_run, free_port, report, table, until, workspace
from proxy import load

HERE = Path(__file__).resolve().parent

APP = """
import time

from fluxlit import FluxLit

app = FluxLit()


@app.api.get("/block")
async def block() -> str:
    time.sleep(0.5)
    return "x"


@app.api.get("/compute")
async def compute() -> int:
    return sum(number * number for number in range(150_000))


@app.page("/")
def home(st):
    st.text("hello")
"""


def seen_by(program: str, url: str, *arguments: str) -> dict[str, float]:
    """What another program of this folder prints."""
    command = [sys.executable, str(HERE / program), url, *arguments]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=300).stdout)
    return found


@contextlib.contextmanager
def blocked(url: str) -> Iterator[None]:
    """Call the blocking route again and again."""
    command = [sys.executable, str(HERE / "load.py"), f"{url}/api/block", "--count", "100000", "--connections", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def latencies(url: str, seconds: float) -> dict[str, float]:
    """p99 of a click and of the liveness probe, in milliseconds."""
    click = seen_by("visitors.py", url, "--sessions", "1", "--seconds", str(seconds))
    health = seen_by("probe.py", f"{url}/api/healthz", "--seconds", str(seconds))
    return {"click": click["p99"], "healthz": health["p99"]}


def isolation(folder: Path, workers: int, rounds: int, seconds: float) -> dict[str, tuple[float, float]]:
    """p99 without and with the blocking route, medians of the rounds."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    seen: list[tuple[dict[str, float], dict[str, float]]] = []
    with fluxlit_run(folder, port, api_workers=str(workers)) as fluxlit:
        until(fluxlit, lambda: answers(f"{url}/api/readyz"))
        for _ in range(rounds):
            idle = latencies(url, seconds)
            with blocked(url):
                seen.append((idle, latencies(url, seconds)))
    return {
        what: (statistics.median(idle[what] for idle, _ in seen), statistics.median(busy[what] for _, busy in seen))
        for what in ("click", "healthz")
    }


def throughput(folder: Path, rounds: int, count: int) -> tuple[dict[int, float], float]:
    """Requests a second by API workers; the share of the load generator."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    shares = []
    ports = {workers: free_port() for workers in rates}
    with contextlib.ExitStack() as stack:
        for workers, port in ports.items():
            program = stack.enter_context(fluxlit_run(folder, port, api_workers=str(workers)))
            until(program, lambda port=port: answers(f"http://127.0.0.1:{port}/api/readyz"))  # type: ignore[misc]
        for number in range(rounds + 1):
            for workers, port in ports.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                result = load(f"http://127.0.0.1:{port}/api/compute", count=count, connections=8)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if number:  # The first round warms up.
                    rates[workers].append(result["count"] / result["seconds"])
                    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    shares.append(spent / result["seconds"])
    return {workers: statistics.median(each) for workers, each in rates.items()}, statistics.median(shares)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that the benchmark runs")
    arguments = parser.parse_args()
    rounds, seconds, count = (1, 2.0, 80) if arguments.quick else (arguments.rounds, 6.0, 800)
    with workspace() as folder:
        (folder / "app.py").write_text(APP)
        shared = isolation(folder, 0, 1, seconds)
        apart = isolation(folder, 1, rounds, seconds)
        rates, share = throughput(folder, rounds, count)
    rows = [
        [place, what, f"{idle:.1f} ms", f"{busy:.1f} ms", f"{busy / idle:.1f}"]
        for place, found in (("in the gateway", shared), ("one API worker", apart))
        for what, (idle, busy) in found.items()
    ]
    print(table("p99 while an async route blocks its event loop", ["API", "what", "idle", "blocked", "ratio"], rows))
    rows = [[f"{workers}", f"{rate:.0f}", f"{rate / rates[1]:.2f}"] for workers, rate in rates.items()]
    print(table("Requests a second of a route that computes, 8 connections", ["API workers", "rate", "of one"], rows))
    print(f"The load generator used {share:.1%} of one processor.\n")
    report(
        [
            Bar("p99 of a click beside a blocking worker, of idle", apart["click"][1] / apart["click"][0], 2.0),
            Bar("p99 of healthz beside a blocking worker, of idle", apart["healthz"][1] / apart["healthz"][0], 2.0),
            Bar("throughput of two API workers, of one", rates[2] / rates[1], 1.6, at_least=True),
        ]
    )


if __name__ == "__main__":
    main()
