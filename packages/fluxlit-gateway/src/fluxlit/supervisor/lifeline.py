"""The child's side: the line channel on fd 0, and death with the parent.

When the parent ends for any reason, the child and everything in its process group must end too. Three mechanisms,
because each
has a hole:

1. Hang-up of a pipe; only the parent holds its write end. The child asks the kernel (`F_SETSIG`, fcntl(2)) to send
   SIGKILL to its whole process group on that event. It works for a child that is stopped or stuck in C code with
   the interpreter lock held, and it takes the child's own children along. Linux only.
2. `PR_SET_PDEATHSIG` (prctl(2)). It reaches the child alone, but still works when some other process has
   inherited the write end of that pipe. Linux only. It fires when the parent's *thread* that started the child ends.
3. End of file on the line channel, seen by a thread. It works on every POSIX system, for a child that runs.

The parent may die before the child has set any of these up. So the child checks at the end that its parent is still
the process at the other end of the channel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable

from fluxlit.supervisor.spawn import LIFELINE_VARIABLE

_PR_SET_PDEATHSIG = 1


class Lifeline:
    """The line channel to the parent.

    Create it before any user code runs, and before threads start: `adopt`.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._reader = channel.makefile("r", encoding="utf-8", newline="\n")
        self._write_lock = threading.Lock()
        self._hangup_fd: int | None = None

    @classmethod
    def adopt(cls) -> Lifeline:
        """Take over the channel on fd 0, and end with the parent from now on.

        Fd 0 is ``/dev/null`` afterwards: subprocesses that user code starts inherit neither the channel nor the
        lifeline.
        """
        channel = socket.socket(fileno=os.dup(0))  # dup() makes it close-on-exec
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0, inheritable=True)
        os.close(null)
        lifeline = cls(channel)
        if sys.platform == "linux":
            lifeline._tie_to_parent()
        return lifeline

    def _tie_to_parent(self) -> None:
        number = os.environ.pop(LIFELINE_VARIABLE, "")
        if number:
            self._hangup_fd = int(number)
            _kill_group_on_hangup(self._hangup_fd)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != _peer_pid(self._channel):
            end_group()

    def read_line(self) -> str:
        """The next line from the parent; blocks. `""`: the parent is gone."""
        with contextlib.suppress(OSError):
            return self._reader.readline().rstrip("\n")
        return ""

    def send_line(self, line: str) -> None:
        """Send one line; does nothing when the parent is gone."""
        with self._write_lock, contextlib.suppress(OSError):
            self._channel.sendall(line.encode() + b"\n")

    def watch(self, on_line: Callable[[str], None]) -> None:
        """Pass further lines to `on_line` in a thread; end with the channel."""
        threading.Thread(target=self._watch, args=(on_line,), name="fluxlit-lifeline", daemon=True).start()

    def _watch(self, on_line: Callable[[str], None]) -> None:
        while line := self.read_line():
            on_line(line)
        end_group()


def end_group() -> None:
    """End this process and its process group, at once and without clean-up."""
    if os.getpgrp() == os.getpid():  # never the group of a shell that started the child by hand
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _kill_group_on_hangup(fd: int) -> None:
    import fcntl  # noqa: PLC0415  (POSIX only)

    os.set_inheritable(fd, False)
    if os.getpgrp() != os.getpid():
        return
    fcntl.fcntl(fd, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)


def _peer_pid(channel: socket.socket) -> int:
    """Process id of the maker of the socket pair (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    pid, _uid, _gid = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(pid)
