"""Routes that block beside pages, and routes that compute.

Each figure is a ratio inside one run: with the blocking route and without it, with two API workers and with one. The
route that computes takes 20 ms of processor time on every machine. What the load generator and the gateway take of the
same processors is little beside that, and shown. Needs two processors with nothing else to do, and three minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import Bar, Program, answers, fluxlit_run, free_port, report, table, until, workspace
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
    number, end = 0, time.thread_time() + 0.02
    while time.thread_time() < end:
        number = sum(range(1_000))
    return number


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


@dataclass
class Rate:
    """Requests a second of one server, by rounds.

    Attributes:
        program: the server.
        url: of the route that computes.
        rates: requests a second.
        generator: seconds of CPU of the load generator for each second.
        gateway: of the gateway, likewise.
    """

    program: Program
    url: str
    rates: list[float] = field(default_factory=list)
    generator: list[float] = field(default_factory=list)
    gateway: list[float] = field(default_factory=list)

    def measure(self, count: int) -> None:
        """One round."""
        before = self.program.cpu(descendants=False)
        result = load(self.url, count=count, connections=8)
        self.rates.append(result["count"] / result["seconds"])
        self.generator.append(result["cpu"] / result["seconds"])
        self.gateway.append((self.program.cpu(descendants=False) - before) / result["seconds"])


def throughput(folder: Path, rounds: int, count: int) -> dict[int, Rate]:
    """Requests a second by API workers."""
    found: dict[int, Rate] = {}
    with contextlib.ExitStack() as stack:
        for workers in (1, 2):
            port = free_port()
            program = stack.enter_context(fluxlit_run(folder, port, api_workers=str(workers)))
            until(program, lambda port=port: answers(f"http://127.0.0.1:{port}/api/readyz"))  # type: ignore[misc]
            found[workers] = Rate(program, f"http://127.0.0.1:{port}/api/compute")
            load(found[workers].url, count=80, connections=8)  # It warms up.
        for _ in range(rounds):
            for each in found.values():
                each.measure(count)
    return found


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that the benchmark runs")
    arguments = parser.parse_args()
    rounds, seconds, count = (1, 2.0, 80) if arguments.quick else (arguments.rounds, 6.0, 400)
    with workspace() as folder:
        (folder / "app.py").write_text(APP)
        shared = isolation(folder, 0, 1, seconds)
        apart = isolation(folder, 1, rounds, seconds)
        found = throughput(folder, rounds, count)
    rows = [
        [place, what, f"{idle:.1f} ms", f"{busy:.1f} ms", f"{busy / idle:.1f}"]
        for place, found in (("in the gateway", shared), ("one API worker", apart))
        for what, (idle, busy) in found.items()
    ]
    print(table("p99 while an async route blocks its event loop", ["API", "what", "idle", "blocked", "ratio"], rows))
    rates = {workers: statistics.median(each.rates) for workers, each in found.items()}
    share = max(share for each in found.values() for share in each.generator)
    rows = [
        [
            f"{workers}",
            f"{rates[workers]:.0f}",
            f"{rates[workers] / rates[1]:.2f}",
            f"{statistics.median(each.gateway):.1%}",
            f"{statistics.median(each.generator):.1%}",
        ]
        for workers, each in found.items()
    ]
    heads = ["API workers", "rate", "of one", "gateway, of a processor", "load generator"]
    print(table("Requests a second of a route of 20 ms CPU, 8 connections", heads, rows))
    print(f"{len(os.sched_getaffinity(0))} processors, {os.getloadavg()[0]:.1f} processes ready to run on average\n")
    report(
        [
            Bar("p99 of a click beside a blocking worker, of idle", apart["click"][1] / apart["click"][0], 2.0),
            Bar("p99 of healthz beside a blocking worker, of idle", apart["healthz"][1] / apart["healthz"][0], 2.0),
            Bar("throughput of two API workers, of one", rates[2] / rates[1], 1.6, at_least=True),
            Bar("the load generator's share of a processor", share, 0.05),
        ]
    )


if __name__ == "__main__":
    main()
