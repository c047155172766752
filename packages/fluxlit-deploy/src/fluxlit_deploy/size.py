"""Processors and memory of one replica."""

from __future__ import annotations

from fluxlit_deploy.description import Project

_GATEWAY_MIB = 192
_WORKER_MIB = 320
# "auto" starts a worker for each processor of the limit, and the limit is computed from the workers.
_AUTO_WORKERS = 2


def processes(project: Project) -> int:
    """Count the gateway and its workers; each may use a processor of its own."""
    counts = (project.workers, project.api_workers)
    return 1 + sum(_AUTO_WORKERS if count == "auto" else count for count in counts)


def memory_mib(processes: int) -> int:
    """Return the MiB of a gateway and workers; a limit should be double."""
    return _GATEWAY_MIB + _WORKER_MIB * (processes - 1)
