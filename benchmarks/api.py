"""CPU and latency of the API behind the gateway, beside bare uvicorn.

The latency is measured while pages compute, too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from harness import Bar, Program, answers, fluxlit_run, free_port, report, running, table, until, workspace
from proxy import load
from reruns import HEAVY

HERE = Path(__file__).resolve().parent

API = """
from fastapi import FastAPI

api = FastAPI()


@api.get("/api/ping")
@api.get("/ping")
def unused() -> str:
    return "pong"


@api.get("/api/async")
@api.get("/async")
async def ping() -> dict[str, str]:
    return {"answer": "pong"}
"""

APP = """
from api import api
from fluxlit import FluxLit

app = FluxLit(api=api, ui="heavy.py")
"""


def cost(programs: dict[str, tuple[Program, int]], rounds: int, count: int) -> dict[str, float]:
    """CPU of the server per request in microseconds, the least of the rounds."""
    seen: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, (program, port) in programs.items():
            before = program.cpu(descendants=False)
            result = load(f"http://127.0.0.1:{port}/api/async", count=count, connections=16)
            if number:
                seen[name].append((program.cpu(descendants=False) - before) / result["count"] * 1e6)
    return {name: min(values) for name, values in seen.items()}


def latency(url: str, seconds: float) -> dict[str, float]:
    """Percentiles of a request every 10 ms, in milliseconds."""
    command = [sys.executable, str(HERE / "probe.py"), url, "--seconds", str(seconds)]
    seen: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)
    return seen


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that the benchmark runs")
    arguments = parser.parse_args()
    count, seconds = (400, 2.0) if arguments.quick else (4_000, 8.0)
    with workspace() as folder:
        (folder / "heavy.py").write_text(HEAVY)
        (folder / "api.py").write_text(API)
        (folder / "app.py").write_text(APP)
        bare, behind = free_port(), free_port()
        command = [sys.executable, "-m", "uvicorn", "api:api", "--port", str(bare), "--no-access-log"]
        command += ["--log-level", "warning"]
        with running("uvicorn", command, folder) as uvicorn, fluxlit_run(folder, behind) as fluxlit:
            until(uvicorn, lambda: answers(f"http://127.0.0.1:{bare}/api/async"))
            until(fluxlit, lambda: answers(f"http://127.0.0.1:{behind}/api/readyz"))
            programs = {"bare uvicorn": (uvicorn, bare), "FluxLit": (fluxlit, behind)}
            costs = cost(programs, 1 if arguments.quick else arguments.rounds, count)
            url = f"http://127.0.0.1:{behind}/api/async"
            idle = latency(url, seconds)
            crowd = subprocess.Popen(
                [
                    sys.executable,
                    str(HERE / "visitors.py"),
                    f"http://127.0.0.1:{behind}",
                    "--seconds",
                    str(seconds + 3),
                ],
                stdout=subprocess.DEVNULL,
            )
            time.sleep(1.5)  # the crowd's own start
            busy = latency(url, seconds)
            crowd.wait(60)
    rows = [[name, f"{value:.0f} µs", f"{value / costs['bare uvicorn']:.2f}"] for name, value in costs.items()]
    print(table("CPU per API request, 16 connections", ["server", "CPU", "of bare uvicorn's"], rows))
    rows = [[name, f"{seen['p50']:.1f} ms", f"{seen['p99']:.1f} ms"] for name, seen in [("idle", idle), ("busy", busy)]]
    print(table("API latency while 10 people rerun a page of 40 ms", ["UI", "p50", "p99"], rows))
    report(
        [
            Bar("CPU per API request, of bare uvicorn's", costs["FluxLit"] / costs["bare uvicorn"], 1.05),
            Bar("API p99 with a busy UI, of the idle p99", busy["p99"] / idle["p99"], 3.0),
        ]
    )


if __name__ == "__main__":
    main()
