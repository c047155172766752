"""Counters of the operations of the session store."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import Protocol

from fluxlit.observability.metrics import Histogram, Samples


class Operation(Protocol):
    """A finished operation, like `fluxlit_sessions.OperationEvent`."""

    @property
    def store(self) -> str:
        """Kind of store."""
        ...

    @property
    def operation(self) -> str:
        """What was done."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended."""
        ...

    @property
    def seconds(self) -> float:
        """How long the caller waited."""
        ...


class StoreCounters:
    """Counts operations, from all threads that run pages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: Counter[tuple[str, str, str]] = Counter()
        self._durations: defaultdict[str, Histogram] = defaultdict(Histogram)

    def __call__(self, event: Operation) -> None:
        """Count one."""
        with self._lock:
            self._done[event.store, event.operation, event.outcome] += 1
            self._durations[event.store].add(event.seconds)

    def read(self) -> Samples:
        """The numbers under the names of the catalogue."""
        readings = Samples()
        with self._lock:
            for labels, count in self._done.items():
                readings.add("fluxlit_session_store_operations_total", count, *labels)
            for store, durations in self._durations.items():
                readings.add("fluxlit_session_store_operation_duration_seconds", durations + Histogram(), store)
        return readings


STORE_COUNTERS = StoreCounters()
"""Of this process, which has one session store."""
