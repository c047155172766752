"""Start a process in a group of its own, with a channel and a lifeline.

It needs no event loop, and this module imports little: a process may be started before there is anything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LIFELINE_VARIABLE = "FLUXLIT_LIFELINE_FD"
"""Gives the child the number of its end of the pipe that hangs up with the parent; see `lifeline`."""


@dataclass(frozen=True)
class Command:
    """What to run.

    Attributes:
        arguments: program and arguments; no shell.
        environment: variables set on top of the parent's.
        withheld: variables of the parent that it does not get.
        directory: working directory; the parent's when `None`.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] | None = None
    withheld: frozenset[str] = frozenset()
    directory: Path | None = None


@dataclass
class SpawnedProcess:
    """A process that was started and has no listener yet.

    Attributes:
        popen: its handle; it leads a process group of its own.
        channel: the parent's end of the line channel.
        hangup_fd: the parent's end of the lifeline.
        owned: it was taken over, or ended.
        started: when, in seconds of `time.monotonic`.
    """

    popen: subprocess.Popen[bytes]
    channel: socket.socket
    hangup_fd: int
    owned: bool = False
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, command: Command) -> SpawnedProcess:
        """Start a command.

        Raises:
            OSError: the program cannot be started.
        """
        parent_end, child_end = socket.socketpair()
        try:
            hangup_read, hangup_write = os.pipe()
        except OSError:  # no descriptor is left
            parent_end.close()
            child_end.close()
            raise
        try:
            popen = subprocess.Popen(  # noqa: S603  (the owner decides what runs)
                list(command.arguments),
                stdin=child_end.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={
                    **{name: value for name, value in os.environ.items() if name.upper() not in command.withheld},
                    **(command.environment or {}),
                    LIFELINE_VARIABLE: str(hangup_read),
                },
                cwd=command.directory,
                start_new_session=True,
                pass_fds=(hangup_read,),
            )
        except BaseException:
            parent_end.close()
            os.close(hangup_write)
            raise
        finally:
            child_end.close()
            os.close(hangup_read)
        return cls(popen, parent_end, hangup_write)

    def discard(self) -> None:
        """End the process and its group, unless it was taken over."""
        if self.owned:
            return
        self.owned = True
        kill_group(self.popen.pid)
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()
        self.popen.wait()
        self.channel.close()
        os.close(self.hangup_fd)


def kill_group(group: int) -> None:
    """SIGKILL a process group, if it is still there."""
    # PermissionError: macOS's result for a group that holds nothing but a zombie.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
