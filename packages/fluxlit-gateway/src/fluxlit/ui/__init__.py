"""Where the UI runs: worker processes, this process, or somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxlit.lazy import lazy_exports

if TYPE_CHECKING:
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

# A worker's own modules are in this package, and it has no use for what runs workers.
__getattr__ = lazy_exports(
    __name__,
    {
        "fluxlit.ui.placement": ("NO_WORKERS", "STOP_S", "Placement", "Readiness", "UiFacts", "WorkerStatus"),
        "fluxlit.ui.selection": ("build_placement",),
        "fluxlit.ui.spec": ("WorkerSpec",),
    },
)
