"""Memory of the container: its limit and what is used of it (cgroup v2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fluxlit._internal.cpus import CGROUPS, OWN_CGROUP, groups_of


@dataclass(frozen=True)
class Memory:
    """The memory of the narrowest group, in bytes.

    Attributes:
        limit: at which the kernel ends a process.
        used: without files that the kernel can drop at once.
    """

    limit: int
    used: int

    @property
    def free(self) -> int:
        """What is left."""
        return max(0, self.limit - self.used)


def container_memory(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> Memory | None:
    """The control group with the least memory left; `None` without a limit.

    A process is ended when its group or any group above it is at its limit.
    """
    found = [memory for group in groups_of(root, own) if (memory := _memory_of(group)) is not None]
    return min(found, key=lambda memory: memory.free, default=None)


def machine_memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES")


def _memory_of(group: Path) -> Memory | None:
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
        details = (group / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    if not limit.isdigit():
        return None
    # As Kubernetes counts the working set.
    at = details.index("inactive_file") if "inactive_file" in details else -1
    dropped = int(details[at + 1]) if at >= 0 else 0
    return Memory(int(limit), max(0, used - dropped))
