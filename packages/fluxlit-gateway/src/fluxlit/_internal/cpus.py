"""How many processors this process may use."""

from __future__ import annotations

import functools
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cpus() -> int:
    """Processors that this process may keep busy, at least 1.

    That is what its CPU affinity allows, and no more than the processor time that its control group is given: a
    container with a quota of two processors on a machine of 64 has two.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        allowed = os.cpu_count() or 1
    return max(1, int(min(allowed, cgroup_cpus())))


def cgroup_cpus(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> float:
    """Processors that the control group's quota allows; infinity without one.

    The quota of a group binds all groups below it, so the smallest on the way up counts. Version 2 has ``cpu.max``,
    version 1 two files (cgroups(7)).
    """
    quotas = [_quota(_words(group / "cpu.max")) for group in groups_of(root, own)]
    return min(_first_version(root / "cpu"), *quotas)


@functools.cache  # the memory is read twice a second, and a server stays in its group
def groups_of(root: Path, own: Path) -> tuple[Path, ...]:
    """The folders of this process's control group and of those above it."""
    folder = root / _own_path(own).strip("/")
    return tuple(group for group in (folder, *folder.parents) if group.is_relative_to(root))


def _own_path(own: Path) -> str:
    lines = own.read_text(encoding="utf-8").splitlines() if own.is_file() else []
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")


def _first_version(folder: Path) -> float:
    return _quota(_words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us"))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:
        return []


def _quota(words: list[str]) -> float:
    """``max 100000`` and ``-1 100000`` mean none."""
    if len(words) != 2 or not words[0].isdigit():
        return float("inf")
    return int(words[0]) / int(words[1])
