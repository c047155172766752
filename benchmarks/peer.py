"""Requests a second of FluxLit and of the unrelated package of its name.

That package is installed into an environment of its own, by name and version; its gateway runs under uvicorn before
the same upstream, with its own defaults.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import Bar, Program, answers, fluxlit_run, free_port, report, running, table, tool, until, workspace
from proxy import APP, HERE, load

RELEASE = "fluxlit==0.13.2"

GATEWAY = """
from fastapi import FastAPI
from fluxlit.gateway import build_gateway

app = build_gateway(FastAPI(), "http://127.0.0.1:{port}")
"""


def installed(folder: Path) -> str:
    """Install the package; returns the path of its Python."""
    uv = tool("uv", "pip install uv")
    python = str(folder / "peer" / "bin" / "python")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "peer")], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, RELEASE], check=True)
    return python


@contextlib.contextmanager
def origin(folder: Path) -> Iterator[int]:
    """The upstream, on a port: that package knows no UNIX sockets."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "origin:app", "--app-dir", str(HERE), "--port", str(port)]
    with running("origin", [*command, "--no-access-log", "--log-level", "warning", "--lifespan", "off"], folder) as it:
        until(it, lambda: answers(f"http://127.0.0.1:{port}/"))
        yield port


def rates(programs: dict[str, tuple[Program, int, int]], rounds: int) -> dict[str, list[float]]:
    """Medians for each: requests a second, p99 in ms, CPU per request in µs."""
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, (program, port, count) in programs.items():
            before = program.cpu(descendants=False)
            result = load(f"http://127.0.0.1:{port}/x", count=count, connections=16)
            cost = (program.cpu(descendants=False) - before) / result["count"] * 1e6
            if number:
                seen[name].append((result["count"] / result["seconds"], result["p99"], cost))
    return {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in seen.items()}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that the benchmark runs")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    with workspace() as folder, origin(folder) as upstream:
        python = installed(folder)
        own, other = free_port(), free_port()
        (folder / "app.py").write_text(APP)
        (folder / "other.py").write_text(GATEWAY.format(port=upstream))
        command = [python, "-m", "uvicorn", "other:app", "--port", str(other), "--no-access-log"]
        with (
            fluxlit_run(folder, own, streamlit_upstream=f"http://127.0.0.1:{upstream}") as ours,
            running("other", [*command, "--log-level", "warning"], folder) as theirs,
        ):
            until(ours, lambda: answers(f"http://127.0.0.1:{own}/x"))
            until(theirs, lambda: answers(f"http://127.0.0.1:{other}/x"))
            programs = {RELEASE: (theirs, other, 2_000 // share), "FluxLit": (ours, own, 20_000 // share)}
            found = rates(programs, 1 if arguments.quick else arguments.rounds)
    rows = [[name, f"{rate:,.0f}", f"{p99:.1f} ms", f"{cost:.0f} µs"] for name, (rate, p99, cost) in found.items()]
    print(table("Proxied response of 10 KiB, 16 connections", ["front", "a second", "p99", "CPU in the proxy"], rows))
    report([Bar("requests a second, of that package's", found["FluxLit"][0] / found[RELEASE][0], 15, at_least=True)])


if __name__ == "__main__":
    main()
