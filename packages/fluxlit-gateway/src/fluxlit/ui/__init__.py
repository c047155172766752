"""Where the UI runs: worker processes, this process, or somewhere else."""

from fluxlit.ui.placement import NO_WORKERS, STOP_S, Placement, Readiness, UiFacts, WorkerStatus
from fluxlit.ui.selection import build_placement
from fluxlit.ui.spec import WorkerSpec

__all__ = [
    "NO_WORKERS",
    "STOP_S",
    "Placement",
    "Readiness",
    "UiFacts",
    "WorkerSpec",
    "WorkerStatus",
    "build_placement",
]
