"""A handle on a process that is not a child of this one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator

from fluxlit.server.run_directory import alive

POLL_INTERVAL_S = 0.05


class ProcessHandle:
    """A process that is not our child.

    The descriptor keeps its number from being reused.

    Args:
        pid: the process id.
        descriptor: from pidfd_open(2); `None` where the system has none (it is Linux only).
    """

    def __init__(self, pid: int, descriptor: int | None) -> None:
        self._pid = pid
        self._descriptor = descriptor

    @classmethod
    @contextlib.contextmanager
    def open(cls, pid: int) -> Iterator[ProcessHandle]:
        """Open a process.

        Raises:
            ProcessLookupError: there is no such process.
        """
        if not hasattr(os, "pidfd_open"):
            yield cls(pid, None)
            return
        descriptor = os.pidfd_open(pid)
        try:
            yield cls(pid, descriptor)
        finally:
            os.close(descriptor)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; without effect after the process has ended.

        Raises:
            PermissionError: the process belongs to another user.
        """
        with contextlib.suppress(ProcessLookupError):
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self._pid, number)

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the process; return whether it has ended."""
        if self._descriptor is not None:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        deadline = time.monotonic() + seconds
        while alive(self._pid):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_INTERVAL_S)
        return True
