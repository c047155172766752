"""Process 1 of a container passes signals on and leaves no zombies.

A subreaper (prctl(2)) gets orphans just as process 1 does, so these tests need no namespace of their own.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.processes import Server, background, clean_environ

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers run Linux")

PROGRAM = """
import ctypes, os, signal, subprocess, sys, time
from fluxlit.server.container_init import split

ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
os.environ["LISTEN_PID"] = str(os.getpid())
if (code := split()) is not None:
    sys.exit(code)
assert os.environ["LISTEN_PID"] == str(os.getpid())
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()

def heard(number, frame):
    print("heard", signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(7)

for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, heard)
# Each shell is gone at once; what it started becomes an orphan, and a zombie soon after.
for _ in range(5):
    subprocess.run(["sh", "-c", "sleep 0.2 & echo orphan $!"], check=True)
print("own child ended with", subprocess.run(["sh", "-c", "exit 3"], check=False).returncode, flush=True)
print("working", os.getpid(), flush=True)
while True:
    time.sleep(1)
"""


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    with background([sys.executable, "-c", PROGRAM], cwd=folder, environ=clean_environ()) as server:
        server.wait_for(r"working \d+", timeout=60)
        yield server


def worker(server: Server) -> psutil.Process:
    return psutil.Process(int(server.wait_for(r"working (\d+)", timeout=1)[1]))


def test_signals_reach_the_worker_once_and_its_exit_code_gets_out(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        for name in ("SIGHUP", "SIGUSR1", "SIGINT"):
            server.process.send_signal(signal.Signals[name])
            server.wait_for(f"heard {name}", timeout=60)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 7
        assert "".join(server.output).count("heard") == 4


def test_orphans_are_waited_for_and_own_children_are_left_alone(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.wait_for("own child ended with 3", timeout=1)
        orphans = [int(line.split()[1]) for line in server.output if line.startswith("orphan")]
        assert len(orphans) == 5
        deadline = time.monotonic() + 60
        while left := [pid for pid in orphans if psutil.pid_exists(pid)]:
            assert time.monotonic() < deadline, f"zombies: {left}"
            time.sleep(0.05)
        assert [child.pid for child in psutil.Process(server.process.pid).children()] == [worker(server).pid]


def test_a_worker_that_is_killed_is_told_as_shells_do(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        worker(server).kill()
        assert server.process.wait(60) == 128 + signal.SIGKILL


def test_ctrl_c_on_a_terminal_is_heard_once(tmp_path: Path) -> None:
    # The terminal sends SIGINT to its foreground process group: to the worker, which is alone in it.
    terminal, inside = os.openpty()
    own = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    command = [sys.executable, "-c", own + PROGRAM]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=clean_environ(), stdin=inside, stdout=inside, stderr=inside, start_new_session=True
    )
    os.close(inside)
    try:
        read_until(terminal, b"working")
        os.write(terminal, b"\x03")
        read_until(terminal, b"heard SIGINT")
        process.terminate()
        assert b"SIGINT" not in read_until(terminal, b"heard SIGTERM")
        assert process.wait(60) == 7
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def read_until(terminal: int, wanted: bytes) -> bytes:
    found = b""
    deadline = time.monotonic() + 60
    while wanted not in found:
        assert time.monotonic() < deadline, found
        found += os.read(terminal, 1024)
    return found
