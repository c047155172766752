"""Where UI and API run: worker processes, this process, or another server."""

from fluxlit.backends.api_workers import ApiWorkers
from fluxlit.backends.backend import (
    NO_WORKERS,
    STOP_S,
    Backend,
    Readiness,
    UiFacts,
    WorkerStatus,
    worker_label,
)
from fluxlit.backends.renewal import Renewal
from fluxlit.backends.selection import build_backend
from fluxlit.backends.worker_pool import WorkerPool

__all__ = [
    "NO_WORKERS",
    "STOP_S",
    "ApiWorkers",
    "Backend",
    "Readiness",
    "Renewal",
    "UiFacts",
    "WorkerPool",
    "WorkerStatus",
    "build_backend",
    "worker_label",
]
