"""`breakpoint()` in a process without a terminal of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fluxlit.worker.breakpoints import terminal, use_terminal
from tests.support.processes import clean_environ

PROGRAM = """
import sys
from fluxlit.worker.breakpoints import use_terminal
use_terminal(sys.argv[1])
def page():
    answer = 42
    breakpoint()
    print("went on")
page()
"""


def test_the_debugger_talks_to_the_terminal_of_the_gateway() -> None:
    leader, follower = os.openpty()
    try:
        done = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, os.ttyname(follower)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=clean_environ(),
        )
        shown = b""
        while b"(Pdb) " not in shown:
            shown += os.read(leader, 1024)
        os.write(leader, b"p answer\nc\n")
        output, _ = done.communicate(timeout=60)
        assert (done.returncode, output) == (0, "went on\n")
        while b"42" not in shown:
            shown += os.read(leader, 1024)
    finally:
        os.close(leader)
        os.close(follower)


def test_another_debugger_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    own = sys.breakpointhook
    use_terminal("")
    assert sys.breakpointhook is own
    monkeypatch.setattr(sys, "breakpointhook", print)
    use_terminal("/dev/null")
    assert sys.breakpointhook is print


def test_without_a_terminal_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as null:
        monkeypatch.setattr(sys, "stdin", null)
        assert terminal() == ""
