"""A process of somebody else's, held so that its number cannot pass to another."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator

LOOK_S = 0.05


class Foreign:
    """A process that is not our child.

    Args:
        pid: its number.
        descriptor: what the system holds it by; `None` where it offers that not (pidfd_open(2) is Linux).
    """

    def __init__(self, pid: int, descriptor: int | None) -> None:
        self._pid = pid
        self._descriptor = descriptor

    @classmethod
    @contextlib.contextmanager
    def held(cls, pid: int) -> Iterator[Foreign]:
        """Hold a process.

        Raises:
            ProcessLookupError: there is none of this number.
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
        """Send a signal; nothing happens to a process that has ended.

        Raises:
            PermissionError: it is another user's.
        """
        with contextlib.suppress(ProcessLookupError):
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self._pid, number)

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end; whether it has come."""
        if self._descriptor is not None:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        deadline = time.monotonic() + seconds
        while _exists(self._pid):
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_S)
        return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
