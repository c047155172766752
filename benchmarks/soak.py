"""Memory of a worker over ten thousand reruns: does it level off?

The page makes pandas frames and leaves some in reference cycles.

Streamlit collects garbage after every run, which costs most of the time of a light page. FluxLit collects when the
worker is idle or has grown (`fluxlit.worker.garbage_collection`); this shows that memory stays bounded all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import time
from itertools import count
from pathlib import Path

import websockets
from harness import Bar, Program, answers, fluxlit_run, free_port, report, stats, table, until, workspace
from visitors import rerun

APP = """
import numpy as np
import pandas as pd
from fluxlit import FluxLit

app = FluxLit(title="Soak")
random = np.random.default_rng(1)


class Node:
    "Holds a frame, and is held by itself: only the garbage collector can free it."

    def __init__(self, frame):
        self.frame = frame
        self.self = self


@app.page("/")
def home(st):
    frame = pd.DataFrame(random.random((1000, 8)), columns=list("abcdefgh"))
    frame["group"] = (frame["a"] * 7).astype(int)
    Node(frame.copy())
    st.title("Frames")
    st.dataframe(frame.groupby("group").mean())
    st.dataframe(frame.describe())
"""

SESSIONS = 10
SAMPLES = 40


@dataclasses.dataclass
class Soak:
    """A soak under way.

    Attributes:
        worker: process id of the Streamlit worker.
        reruns: how many in all.
        samples: resident bytes of the worker, at even distances.
    """

    worker: int
    reruns: int
    samples: list[int] = dataclasses.field(default_factory=list)

    def sample(self, number: int) -> None:
        """Note the memory after the rerun of that number, if its turn has come."""
        if number % (self.reruns // SAMPLES) == 0:
            self.samples.append(resident(self.worker))

    async def visit(self, url: str, numbers: count[int]) -> None:
        """One session: reruns as long as there are numbers left."""
        async with websockets.connect(
            f"{url.replace('http', 'ws', 1)}/_stcore/stream",
            subprotocols=[websockets.Subprotocol("streamlit"), websockets.Subprotocol("PLACEHOLDER_AUTH_TOKEN")],
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
        ) as socket:
            while (number := next(numbers)) <= self.reruns:
                await rerun(socket)
                self.sample(number)

    async def run(self, url: str) -> None:
        """All sessions at once."""
        numbers = count(1)
        await asyncio.gather(*(self.visit(url, numbers) for _ in range(SESSIONS)))


def resident(pid: int) -> int:
    """Resident bytes of a process (proc(5): VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def worker_of(server: Program) -> int:
    """The process id of the server's one worker."""
    wanted = [pid for pid in server.pids() if pid in stats() and b"fluxlit.worker" in command_line(pid)]
    return wanted[0]


def command_line(pid: int) -> bytes:
    """The arguments of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def main() -> None:
    """Soak, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reruns", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="a tenth, to see that the benchmark runs")
    arguments = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with workspace() as folder:
        (folder / "app.py").write_text(APP)
        with fluxlit_run(folder, port) as server:
            until(server, lambda: answers(f"{url}/api/readyz"))
            soak = Soak(worker_of(server), arguments.reruns // 10 if arguments.quick else arguments.reruns)
            start, begun, before = resident(soak.worker), time.monotonic(), server.cpu()
            asyncio.run(soak.run(url))
            seconds, cpu = time.monotonic() - begun, server.cpu() - before
    quarters = [soak.samples[part * SAMPLES // 4 : (part + 1) * SAMPLES // 4] for part in range(4)]
    rows = [["at the start", mib(start), ""]]
    rows += [[f"quarter {part}", mib(min(quarter)), mib(max(quarter))] for part, quarter in enumerate(quarters, 1)]
    print(table(f"Memory of a worker over {soak.reruns} reruns, {SESSIONS} sessions", ["when", "least", "most"], rows))
    print(f"{soak.reruns / seconds:.0f} reruns a second, {1000 * cpu / soak.reruns:.1f} ms of CPU each\n")
    report(
        [
            Bar("peak of the last quarter, of the second's", max(quarters[3]) / max(quarters[1]), 1.1),
            Bar("peak above the start, in MiB", (max(soak.samples) - start) / 2**20, 300),
        ]
    )


def mib(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**20:.0f} MiB"


if __name__ == "__main__":
    main()
