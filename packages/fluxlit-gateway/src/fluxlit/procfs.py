"""What the system knows about a process (Linux: proc(5)); nothing elsewhere."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What a process uses.

    Attributes:
        cpu_s: seconds of processor time.
        memory: resident bytes.
        started_at: when it began, in seconds since the epoch.
    """

    cpu_s: float
    memory: int
    started_at: float


def usage(pid: int) -> Usage | None:
    """What a process uses now; `None` if it is gone, or the system does not tell."""
    try:
        # The command's name, in brackets, may hold anything; the fields begin with the third.
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGESIZE")
    since_boot = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    began = time.time() - since_boot + int(fields[19]) / ticks
    return Usage((int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page, began)


def open_descriptors() -> int | None:
    """How many file descriptors this process has open; `None` if the system does not tell."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in (PROC / "self" / "fd").iterdir())
    return None
