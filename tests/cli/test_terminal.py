"""`fluxlit run` and `dev` on a terminal: Ctrl-C, resize, closed output."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fluxlit_cli import output
from tests.cli.command import COMMAND, nothing_left, write
from tests.cli.test_run import get
from tests.support.processes import clean_environ
from tests.support.terminal import CTRL_C, terminal

pytestmark = pytest.mark.slow

APP = """
import asyncio
from fluxlit import FluxLit

app = FluxLit()

@app.api.get("/n")
def n():
    return 1

@app.api.get("/slow")
async def slow():
    await asyncio.sleep(100)

@app.page("/")
def home(st):
    st.title("Home")
"""
READY = {"run": r"FluxLit is ready\S* at \S*?(http://[\d.:]+)/", "dev": r"App +\S*?(http://[\d.:]+)/"}


@pytest.mark.parametrize("command", ["run", "dev"])
def test_ctrl_c_ends_it_in_order_and_a_resized_window_disturbs_nothing(command: str, tmp_path: Path) -> None:
    write(tmp_path, APP)
    with (
        nothing_left() as mark,
        terminal([*COMMAND, command, "--port", "0"], cwd=tmp_path, environ=clean_environ() | mark) as screen,
    ):
        url = screen.wait_for(READY[command])[1]
        for columns in (60, 200, 1):
            screen.resize(columns)
            assert get(f"{url}/api/n") == "1"
        screen.type(CTRL_C)
        assert screen.process.wait(60) == 0
        screen.reader.join(60)
    assert "Traceback" not in screen.shown
    assert "KeyboardInterrupt" not in screen.shown


@pytest.mark.parametrize("command", ["run", "dev"])
def test_a_second_ctrl_c_waits_for_nobody(command: str, tmp_path: Path) -> None:
    write(tmp_path, APP)
    arguments = [command, "--port", "0", "--graceful-timeout", "60"]
    with (
        nothing_left() as mark,
        terminal([*COMMAND, *arguments], cwd=tmp_path, environ=clean_environ() | mark) as screen,
    ):
        url = screen.wait_for(READY[command])[1]
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET /api/slow HTTP/1.1\r\nHost: x\r\n\r\n")
            get(f"{url}/api/healthz")
            screen.type(CTRL_C)
            with pytest.raises(subprocess.TimeoutExpired):
                screen.process.wait(2)
            screen.type(CTRL_C)
            assert screen.process.wait(30) == 0
            screen.reader.join(60)
    assert "A request was cut off: the server stops" in screen.shown
    assert "Traceback" not in screen.shown


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, "import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with (
        nothing_left() as mark,
        terminal([*COMMAND, "run"], cwd=tmp_path, environ=clean_environ() | mark) as screen,
    ):
        screen.wait_for("importing")
        screen.type(CTRL_C)
        assert screen.process.wait(60) == 130
        screen.reader.join(60)
    assert "Traceback" not in screen.shown


def test_it_goes_on_when_the_reader_of_its_output_leaves(tmp_path: Path) -> None:
    write(tmp_path, APP)
    reading, writing = os.pipe()
    os.close(reading)
    with nothing_left() as mark:
        process = subprocess.Popen(
            [*COMMAND, "run", "--port", "0", "--pidfile", "pid"],
            cwd=tmp_path,
            env=clean_environ() | mark,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writing)
        assert process.stderr is not None
        with process.stderr as log:
            assert any("is ready after" in line for line in iter(log.readline, ""))
            # Its address was not printed, and it serves all the same.
            done = subprocess.run(
                [*COMMAND, "healthcheck"], cwd=tmp_path, env=clean_environ(), capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
            process.send_signal(signal.SIGINT)
            rest = log.read()
        assert process.wait(60) == 0
    assert re.search("Traceback|BrokenPipe", rest) is None


def test_a_terminal_that_is_gone_does_not_fail_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write to it is EIO, also one between the two halves of a line."""
    leader, follower = os.openpty()
    os.close(leader)
    with os.fdopen(follower, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        output.write("FluxLit is ready")
        output.write("again")
