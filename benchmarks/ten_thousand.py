"""Ten thousand Streamlit sessions at one replica.

Each session is a person with a page that counts clicks. People click 200 times a second in all. In the first third of
the time nothing else happens, in the second all workers are replaced one after another, in the third one is killed. No
count may be lost, and no request to the API may fail. Everything listens on loopback, and it takes ten minutes at most.

Each person is a user of their own, signed in by a proxy. With `--anonymous` no one is signed in, and a worker that ends
takes the sessions with it that it has beyond 1,000: it keeps copies of no more.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import secrets
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from harness import Bar, Program, Use, answers, fluxlit_run, free_port, report, table, until, workspace
from people import Person
from soak import command_line

APP = """
import streamlit as st
from fluxlit import FluxLit
from fluxlit_auth import TrustedProxy

app = FluxLit(title="Many", auth={auth})


@app.api.get("/ping")
def ping() -> str:
    return "pong"


def press():
    st.session_state.clicks = st.session_state.get("clicks", 0) + 1


@app.page("/")
def home():
    st.button("Click", on_click=press)
    for text in (st.session_state.get("clicks", 0), st.session_state.get("clicks", 0), ""):
        st.text(str(text))
"""

OPENED_A_SECOND = 60
MOST_S = 600.0


@dataclass
class Visitor(Person):
    """A person who notes how long every click took.

    Attributes:
        times: of all visitors, in seconds.
    """

    times: list[float] = field(default_factory=list)

    def answered(self, since: float) -> int:
        """Note how long a click took."""
        self.times.append(time.monotonic() - since)
        return super().answered(since)


@dataclass
class Calls:
    """Requests to the API beside the sessions.

    Attributes:
        times: how long each took, in seconds.
        failed: how many had no response, or another than 200.
    """

    times: list[float] = field(default_factory=list)
    failed: int = 0

    async def call_until(self, url: str, stop: asyncio.Event) -> None:
        """Send twenty a second."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as client:
            while not stop.is_set():
                begun = time.monotonic()
                try:
                    async with client.get(f"{url}/api/ping", headers={"X-Forwarded-User": "caller"}) as response:
                        self.failed += response.status != 200
                except (aiohttp.ClientError, TimeoutError):
                    self.failed += 1
                self.times.append(time.monotonic() - begun)
                await asyncio.sleep(0.05)


def workers_of(server: Program) -> list[int]:
    """The process ids of the workers."""
    return [pid for pid in server.pids() if b"fluxlit.worker" in command_line(pid)]


Rows = list[list[str]]


async def crowd(server: Program, url: str, arguments: argparse.Namespace) -> tuple[list[Visitor], Calls, Rows]:
    """Let all in, disturb the server, and look for their counts."""
    stop, calls, times = asyncio.Event(), Calls(), list[float]()
    pause = arguments.sessions / arguments.rate
    people = [
        Visitor(lambda: url, pause * random.uniform(0.8, 1.2), times=times, headers={"X-Forwarded-User": str(number)})
        for number in range(arguments.sessions)
    ]
    idle = {pid: Use.of(pid) for pid in [server.process.pid, *workers_of(server)]}
    tasks = [asyncio.create_task(calls.call_until(url, stop))]
    for person in people:
        tasks.append(asyncio.create_task(person.click_until(stop)))
        await asyncio.sleep(1 / OPENED_A_SECOND)
    while not all(person.tab.id for person in people):  # noqa: ASYNC110  (ten thousand events would not be simpler)
        await asyncio.sleep(0.1)
    grown = [(Use.of(pid).memory - use.memory) / arguments.sessions for pid, use in idle.items()]
    rows = []
    for phase in ("undisturbed", "workers replaced", "a worker killed"):
        begun, before, calls_before = time.monotonic(), len(times), len(calls.times)
        if phase == "workers replaced":
            server.process.send_signal(signal.SIGHUP)
        elif phase == "a worker killed":
            os.kill(workers_of(server)[0], signal.SIGKILL)
        await asyncio.sleep(arguments.seconds)
        clicks, seconds = times[before:], time.monotonic() - begun
        api = percentiles(calls.times[calls_before:])[1]
        rows.append([phase, f"{len(clicks) / seconds:.0f}", *percentiles(clicks), api])
    stop.set()
    await asyncio.gather(*tasks)
    queue = asyncio.Semaphore(100)

    async def look_again(person: Visitor) -> None:
        async with queue:
            await person.look_again()

    await asyncio.gather(*(look_again(person) for person in people))
    print(f"memory a session: gateway {grown[0] / 1000:.0f} kB, workers {sum(grown[1:]) / 1000:.0f} kB\n")
    return people, calls, rows


def percentiles(seconds: list[float]) -> tuple[str, str]:
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(seconds) or [0.0]
    return tuple(f"{ordered[int(len(ordered) * part)] * 1000:.0f} ms" for part in (0.5, 0.99))  # type: ignore[return-value]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200.0, help="clicks a second, of all together")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the three phases")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--anonymous", action="store_true", help="without a login")
    parser.add_argument("--quick", action="store_true", help="a hundred sessions, to see that the benchmark runs")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sessions, arguments.rate, arguments.seconds, arguments.workers = 100, 20.0, 15.0, 2
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < 3 * arguments.sessions + 1000 and most != resource.RLIM_INFINITY:
        print(f"Only {most} files may be open: raise the limit (ulimit -n) if sessions are refused.")
    with workspace() as folder:
        (folder / "app.py").write_text(APP.format(auth="None" if arguments.anonymous else "TrustedProxy()"))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        store = f"sqlite:///{Path(folder, 'sessions.db')}"
        settings = {"session_store": store, "restore_sessions": "true", "streamlit_workers": str(arguments.workers)}
        settings |= {"trust_proxy": "true", "forwarded_allow_ips": "127.0.0.1", "secret_key": secrets.token_hex(32)}
        with fluxlit_run(folder, port, gateway_max_connections_per_address="0", **settings) as server:
            until(server, lambda: answers(f"{url}/api/readyz"))
            people, calls, rows = asyncio.run(asyncio.wait_for(crowd(server, url, arguments), MOST_S))
    heads = ["phase", "clicks a second", "median", "p99", "p99 of API requests"]
    print(table(f"{len(people):,} sessions, {arguments.workers} workers", heads, rows))
    lost = sum(person.counts[0].lost > 0 for person in people)
    report(
        [
            Bar("sessions that lost a count", lost, 0),
            Bar("clicks that counted twice", sum(person.counts[0].duplicated for person in people), 0),
            Bar("API requests that failed", calls.failed, 0),
        ]
    )


if __name__ == "__main__":
    main()
