"""Facts about a process from proc(5); none on other systems."""

from __future__ import annotations

import contextlib
import os
import re
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
    """The resource usage of a process; `None` if it is not known."""
    fields = _stat(pid)
    if not fields:
        return None
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGESIZE")
    since_boot = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    began = time.time() - since_boot + int(fields[19]) / ticks
    return Usage((int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page, began)


def birth(pid: int) -> int | None:
    """When a process started, in ticks since boot; unique with its number.

    Returns:
        `None` if the process is gone, or the system does not report it.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def siblings() -> list[int]:
    """The other processes with the parent of this one."""
    parent, found = os.getppid(), []
    with contextlib.suppress(OSError):
        for entry in PROC.iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                fields = _stat(int(entry.name))
                if fields and int(fields[1]) == parent:
                    found.append(int(entry.name))
    return found


def open_sockets(pid: int) -> dict[int, int]:
    """Inode and descriptor of each open socket of a process."""
    found = {}
    with contextlib.suppress(OSError):
        for entry in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink())):
                    found[int(match[1])] = int(entry.name)
    return found


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the third on, or none."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the command's name, in brackets, may hold anything


def open_descriptors() -> int | None:
    """Number of open file descriptors; `None` if it is not known."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in (PROC / "self" / "fd").iterdir())
    return None
