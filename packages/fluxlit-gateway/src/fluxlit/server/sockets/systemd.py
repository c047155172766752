"""Notifications to systemd about this process (sd_notify(3)).

Nothing is said unless the environment asks for it. The protocol is a datagram of lines to one socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """Reports the states of a service.

    Args:
        environ: the environment; what is meant for this process alone is taken out of it.

    Attributes:
        watchdog_s: seconds within which the service manager wants a sign of life; 0 if it wants none.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")
        microseconds, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        mine = pid in ("", str(os.getpid()))
        self.watchdog_s = int(microseconds) / 1e6 if self._address and mine and microseconds.isdigit() else 0.0

    def ready(self, status: str = "") -> None:
        """The start, or a reload, is over."""
        self._send("READY=1", status and f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins, with its time, as Type=notify-reload requires."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, within: float) -> None:
        """The end begins, and takes as many seconds at most."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(within * 1e6)}")

    async def keep_alive(self) -> None:
        """Send watchdog signals until cancelled, twice as often as required.

        sd_watchdog_enabled(3) recommends that.

        They come from the event loop that serves, so a loop that hangs gives none.
        """
        while self.watchdog_s:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 2)

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # "@" stands for the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.sendto("\n".join(filter(None, lines)).encode(), address)
