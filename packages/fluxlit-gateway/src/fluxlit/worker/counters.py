"""Counters of a worker: runs, event-loop lag and the session store.

A worker sends them on request, so metrics that are never read cost nothing but the counting.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from fluxlit.observability.event_loop_lag import LoopLag
from fluxlit.observability.metrics import Histogram, Samples
from fluxlit.observability.session_store_counters import STORE_COUNTERS


class Runs:
    """Counts the runs of pages, from all threads that run them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._durations = Histogram()

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Count one."""
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._durations.add(time.perf_counter() - started)

    def read(self, worker: str) -> Samples:
        """The numbers under the names of the catalogue."""
        readings = Samples()
        with self._lock:
            readings.add("fluxlit_script_run_duration_seconds", self._durations + Histogram(), worker)
        return readings


def worker_readings(worker: str, runs: Runs, lag: LoopLag) -> Samples:
    """All that a worker process counts.

    Args:
        worker: its number.
        runs: the runs of its pages.
        lag: of its event loop.
    """
    readings = runs.read(worker)
    readings.update(lag.read(f"worker {worker}"))
    readings.update(STORE_COUNTERS.read())
    return readings
