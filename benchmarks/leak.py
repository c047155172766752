"""A page that leaks 1 MB a run, for ten thousand runs, and its people.

`worker_max_memory` is 800 MB. 20 people click 40 times a second in all, for four to five minutes. Workers are replaced
meanwhile. What counts is their memory, the failed requests, and the clicks that were shown as counted and then were
not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import time

from harness import Bar, Program, answers, fluxlit_run, free_port, report, table, until, workspace
from people import Person
from soak import mib, resident
from ten_thousand import Calls, workers_of

APP = """
import streamlit as st
from fluxlit import FluxLit

app = FluxLit(title="Leak")
kept = []


@app.api.get("/ping")
def ping() -> str:
    return "pong"


def press():
    st.session_state.clicks = st.session_state.get("clicks", 0) + 1


@app.page("/")
def home():
    kept.append(b"x" * 1_000_000)
    st.button("Click", on_click=press)
    for text in (st.session_state.get("clicks", 0), st.session_state.get("clicks", 0), ""):
        st.text(str(text))
"""

LIMIT = 800_000_000
PEOPLE, CLICKS_A_SECOND, MOST_S = 20, 40, 600.0


@dataclasses.dataclass
class Leak:
    """People who use a page that leaks.

    Attributes:
        server: with one worker.
        url: where it listens.
        peak: most resident bytes of one worker.
        workers: all process ids that were seen.
    """

    server: Program
    url: str
    peak: int = 0
    workers: set[int] = dataclasses.field(default_factory=set)

    async def run(self, reruns: int) -> tuple[list[Person], Calls]:
        """Click so often; the people, and the calls of the API meanwhile."""
        stop, calls = asyncio.Event(), Calls()
        people = [Person(lambda: self.url, PEOPLE / CLICKS_A_SECOND) for _ in range(PEOPLE)]
        tasks = [asyncio.create_task(person.click_until(stop)) for person in people]
        tasks.append(asyncio.create_task(calls.call_until(self.url, stop)))
        async with asyncio.timeout(MOST_S):
            while sum(person.clicks + person.connections for person in people) < reruns:
                self._sample()
                await asyncio.sleep(0.1)
        stop.set()
        await asyncio.gather(*tasks)
        await asyncio.gather(*(person.look_again() for person in people))
        return people, calls

    def _sample(self) -> None:
        for pid in workers_of(self.server):
            with contextlib.suppress(OSError, IndexError):  # it has ended
                self.peak = max(self.peak, resident(pid))
                self.workers.add(pid)


def main() -> None:
    """Let people use a page that leaks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reruns", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="a tenth, to see that the benchmark runs")
    arguments = parser.parse_args()
    reruns = arguments.reruns // 10 if arguments.quick else arguments.reruns
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"session_store": "sqlite:///sessions.db", "worker_max_memory": str(LIMIT)}
    with workspace() as folder:
        (folder / "app.py").write_text(APP)
        with fluxlit_run(folder, port, **settings) as server:
            until(server, lambda: answers(f"{url}/api/readyz"))
            begun, leaky = time.monotonic(), Leak(server, url)
            people, calls = asyncio.run(leaky.run(reruns))
            seconds = time.monotonic() - begun
    lost, twice = (sum(getattr(person.counts[0], what) for person in people) for what in ("lost", "duplicated"))
    rows = [
        ["clicks", str(sum(person.clicks for person in people))],
        ["reconnects", str(sum(person.connections for person in people) - PEOPLE)],
        ["workers", str(len(leaky.workers))],
        ["peak of a worker", mib(leaky.peak)],
        ["longest wait for a click", f"{max(person.longest for person in people):.1f} s"],
        ["calls of the API", str(len(calls.times))],
    ]
    print(table(f"A page that keeps 1 MB of each run, {seconds:.0f} s", ["what", "count"], rows))
    report(
        [
            Bar("peak of a worker, of worker_max_memory", leaky.peak / LIMIT, 1.0),
            Bar("calls of the API that failed", calls.failed, 0),
            Bar("clicks lost", lost, 0),
            Bar("clicks counted twice", twice, 0),
            Bar("sessions that did not come back", sum(person.strange for person in people), 0),
            Bar("workers", len(leaky.workers), 2, at_least=True),
        ]
    )


if __name__ == "__main__":
    main()
