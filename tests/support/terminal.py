"""A program in a terminal of its own: typed to, resized, read."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import end

CTRL_C = "\x03"


@dataclass
class Terminal:
    """A terminal with a program that thinks that a person sits in front of it.

    Attributes:
        process: the program, leader of the terminal's foreground group.
        leader: the side of the terminal where the person sits.
        reader: collects that; ends when the last program has left.
        shown: everything that it has shown.
    """

    process: subprocess.Popen[bytes]
    leader: int
    reader: threading.Thread = field(init=False)
    shown: str = ""

    def type(self, text: str) -> None:
        """Press keys; the terminal turns Ctrl-C into a signal, as real ones do."""
        os.write(self.leader, text.encode())

    def resize(self, columns: int, rows: int = 24) -> None:
        """Drag the window's corner; the program gets SIGWINCH."""
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """Return the first match in the output, or fail with all of it in time."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            if match := re.search(pattern, self.shown):
                return match
            assert not ended, f"ended with {self.process.returncode} before {pattern!r}:\n{self.shown}"
            assert time.monotonic() < deadline, f"no {pattern!r} within {timeout} s:\n{self.shown}"
            time.sleep(0.02)

    def read(self) -> None:
        """Collect what is shown until the last program has left the terminal."""
        while True:
            try:
                part = os.read(self.leader, 4096)
            except OSError:  # Linux reports the end of the other side as an error.
                return
            if not part:
                return
            self.shown += part.decode("utf-8", "replace")


@contextlib.contextmanager
def terminal(
    command: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str], columns: int = 80
) -> Iterator[Terminal]:
    """Start a program in a terminal; end it and its descendants in any case."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        # A session that gets its signals from this terminal (setsid(1) of util-linux).
        ["setsid", "--ctty", *(str(part) for part in command)],
        cwd=cwd,
        env={"TERM": "xterm", **environ},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    found = Terminal(process, leader)
    found.resize(columns)
    found.reader = threading.Thread(target=found.read, daemon=True)
    found.reader.start()
    try:
        yield found
    finally:
        end(process)
        found.reader.join(60)
        os.close(leader)
