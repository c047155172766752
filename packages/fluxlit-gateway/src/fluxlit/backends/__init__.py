"""Where the UI runs: worker processes, this process, or another server."""

from fluxlit.backends.backend import NO_WORKERS, STOP_S, Backend, Readiness, UiFacts, WorkerStatus
from fluxlit.backends.selection import build_backend

__all__ = ["NO_WORKERS", "STOP_S", "Backend", "Readiness", "UiFacts", "WorkerStatus", "build_backend"]
