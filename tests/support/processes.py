"""Server processes that tests start, watch and end."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]


def clean_environ(**extra: str) -> dict[str, str]:
    """Return the environment without variables of the tree or the user."""
    tools = "VIRTUAL_ENV|HATCH|UVICORN|COVERAGE|PYTEST|COLUMNS|LINES"
    foreign = re.compile(rf"PYTHON(?!UNBUFFERED)|FLUXLIT|STREAMLIT|{tools}")
    return {name: value for name, value in os.environ.items() if not foreign.match(name)} | extra


@dataclass
class Server:
    """A running server process and what it has printed."""

    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Collect the output until the process closes it."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.output.append(line)

    def wait_for(self, pattern: str, timeout: float) -> re.Match[str]:
        """Return the first match in the output.

        Fails with the output when the process ends or time runs out.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            if match := re.search(pattern, "".join(self.output)):
                return match
            assert not ended, f"ended with {self.process.returncode} before {pattern!r}:\n{''.join(self.output)}"
            assert time.monotonic() < deadline, f"no {pattern!r} within {timeout} s:\n{''.join(self.output)}"
            time.sleep(0.02)

    def stop(self, timeout: float = 60) -> int:
        """Send SIGINT as Ctrl-C does, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout)


@contextlib.contextmanager
def background(command: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str]) -> Iterator[Server]:
    """Start a server; end it and all of its descendants in any case."""
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    server = Server(process)
    reader = threading.Thread(target=server.read, daemon=True)
    reader.start()
    try:
        yield server
    finally:
        end(process)
        reader.join(timeout=60)


def end(process: subprocess.Popen[Any]) -> None:
    """End a program and all of its descendants at once."""
    for straggler in descendants(process.pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            straggler.kill()
    process.kill()
    process.wait()


def descendants(pid: int) -> list[psutil.Process]:
    """Return the living processes below this one; none if it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_until_gone(processes: list[psutil.Process], timeout: float = 60) -> None:
    """Fail if one of these processes still lives when the time is up."""
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    assert not alive, f"left behind: {alive}"
