"""Helpers of the benchmarks: processes, measurements and tables.

CPU time is read from the processes' own accounting (utime and stime in /proc/PID/stat, proc(5)), children
included: it hardly moves when the machine is busy, while throughput does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from fluxlit.server.sockets.listeners import reserved_port

_held_ports = contextlib.ExitStack()

TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Program:
    """A running program.

    Attributes:
        name: for messages.
        process: its handle; the program leads a process group of its own.
        log: file with everything that it wrote.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        """The program and its descendants."""
        parents = {pid: int(fields[1]) for pid, fields in stats().items()}
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu(self, *, descendants: bool = True) -> float:
        """Seconds of CPU used so far.

        Args:
            descendants: count child processes too.
        """
        # The clock of a process (clock_getcpuclockid(3)) counts nanoseconds; /proc/PID/stat counts ticks of 10 ms.
        spent = 0.0
        for pid in self.pids() if descendants else [self.process.pid]:
            with contextlib.suppress(OSError):  # It has ended.
                spent += time.clock_gettime((~pid << 3) | 2)
        return spent

    def memory(self) -> int:
        """Resident bytes of the program itself, without its children."""
        return Use.of(self.process.pid).memory

    def tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(line[:300] for line in self.log.read_text(errors="replace").splitlines()[-15:])


@dataclasses.dataclass(frozen=True)
class Use:
    """What a process uses.

    Attributes:
        cpu: seconds so far.
        memory: resident bytes (proc(5): VmRSS).
        descriptors: how many are open.
    """

    cpu: float
    memory: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Use:
        """Look at a process."""
        fields = stats()[pid]
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return cls(
            (int(fields[11]) + int(fields[12])) / TICKS,
            int(status.partition("VmRSS:")[2].split()[0]) * 1024,
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
        )

    def since(self, before: Use, count: int) -> Use:
        """The growth since an earlier look, for each of `count`."""
        return Use(
            (self.cpu - before.cpu) / count,
            (self.memory - before.memory) // count,
            round((self.descriptors - before.descriptors) / count),
        )


def stats() -> dict[int, list[str]]:
    """The fields of /proc/PID/stat after the command's name, of every process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = path.read_text(errors="replace").rpartition(")")[2].split()
    return found


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run a program in a group of its own, and end the whole group afterwards."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            # Installed software has its bytecode; without it, half of a start would be compiling.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    program = Program(name, process, log)
    try:
        yield program
    finally:
        stop(program)


def stop(program: Program) -> None:
    """SIGTERM, and SIGKILL for what is left of the group."""
    process = program.process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(program: Program, condition: Callable[[], bool], *, within: float = 60.0) -> float:
    """Wait for a condition.

    Returns:
        Seconds waited.

    Raises:
        RuntimeError: the program ended, or the time is over; with its last lines.
    """
    begun = time.monotonic()
    while not condition():
        if program.process.poll() is not None or time.monotonic() - begun > within:
            raise RuntimeError(f"{program.name} did not become ready:\n{program.tail()}")
        time.sleep(0.005)
    return time.monotonic() - begun


def answers(url: str, status: int = 200) -> bool:
    """Whether the response to a GET has a status."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == status)
    except urllib.error.HTTPError as error:
        return error.code == status
    except OSError:
        return False


def free_port() -> int:
    """A loopback port that no other program gets while this one runs."""
    return _held_ports.enter_context(reserved_port())


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A folder for one run; its path is short, because sockets stand in it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)


def tool(name: str, advice: str) -> str:
    """The path of a program that the benchmark needs.

    Raises:
        SystemExit: it is missing; with what to do.
    """
    path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    path = path or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise SystemExit(f"{name} is missing: {advice}")
    return path


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"## {title}", "", "| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, ""])


@dataclasses.dataclass(frozen=True)
class Bar:
    """What was measured, and what is asked of it.

    Attributes:
        name: what.
        measured: the figure, mostly a ratio inside one run.
        limit: the bar.
        at_least: the figure must reach the bar; otherwise it must stay at or below it.
    """

    name: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def held(self) -> bool:
        """The bar is met."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def report(bars: Sequence[Bar]) -> None:
    """Print the bars.

    Raises:
        SystemExit: with code 1 if one is missed.
    """
    rows = [
        [
            bar.name,
            f"{bar.measured:.2f}",
            f"at {'least' if bar.at_least else 'most'} {bar.limit:g}",
            "yes" if bar.held else "NO",
        ]
        for bar in bars
    ]
    print(table("Bars", ["what", "measured", "bar", "held"], rows), flush=True)
    if not all(bar.held for bar in bars):
        raise SystemExit(1)


def fluxlit_run(folder: Path, port: int, **settings: str) -> contextlib.AbstractContextManager[Program]:
    """`fluxlit run` of the folder's app.py."""
    environment = {f"FLUXLIT_{name.upper()}": value for name, value in settings.items()}
    return running(
        "fluxlit", [sys.executable, "-m", "fluxlit_cli", "run", "app:app", "--port", str(port)], folder, environment
    )


def streamlit_run(folder: Path, port: int, script: str = "page.py") -> contextlib.AbstractContextManager[Program]:
    """`streamlit run` as it comes, but for questions and statistics."""
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    command += ["--server.headless=true", "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"]
    return running("streamlit", command, folder)
