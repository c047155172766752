"""Events of store operations, for metrics and traces, and logs of outages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

logger = logging.getLogger("fluxlit_sessions")


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """One finished operation on a store.

    Attributes:
        store: kind of store, such as ``redis``.
        operation: such as ``read`` or ``save``; the same for the blocking and the async method.
        outcome: ``ok``, ``missing``, ``conflict``, ``full``, ``unavailable`` or ``error``.
        started_ns: nanoseconds since the epoch, for a trace span.
        seconds: how long the caller waited.
    """

    store: str
    operation: str
    outcome: str
    started_ns: int
    seconds: float


Observer = Callable[[OperationEvent], object]
"""A function that is called after every operation, in the thread or task of the caller: it must be quick."""


def notify(observers: Iterable[Observer], event: OperationEvent) -> None:
    """Passes an event on; a failing `Observer` never fails the operation."""
    for observer in observers:
        try:
            observer(event)
        except Exception:  # foreign code: a broken counter must not break sessions
            logger.exception("a function for events of the session store failed")


FULL_EVERY_S = 60.0


class Outage:
    """Logs outages of a store: the beginning, the end, and that it is full."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._warned_full: float | None = None
        self.down = False

    def seen(self, problem: str | None) -> None:
        """Records the last contact: `None` for success, else why it failed."""
        if problem is not None and not self.down:
            logger.warning("session store %s is unavailable: %s", self._location, problem)
        elif problem is None and self.down:
            logger.info("session store %s is available again", self._location)
        self.down = problem is not None

    def full(self, problem: str) -> None:
        """Records a write that a full store refused; logs it once a minute."""
        self.seen(None)
        now = time.monotonic()
        if self._warned_full is None or now - self._warned_full >= FULL_EVERY_S:
            self._warned_full = now
            logger.warning("session store %s is full: %s", self._location, problem)
