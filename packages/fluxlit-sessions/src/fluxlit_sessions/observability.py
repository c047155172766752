"""What a store tells whoever wants metrics or traces."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

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


class Observer(Protocol):
    """Called after every operation, in the thread or task of the caller: be quick."""

    def __call__(self, event: OperationEvent, /) -> None:
        """Takes note of one operation."""
        ...


def notify(observers: Iterable[Observer], event: OperationEvent) -> None:
    """Calls the observers; a failing one is logged and never fails the operation."""
    for observer in observers:
        try:
            observer(event)
        except Exception:  # foreign code at the boundary: a broken counter must not break sessions
            logger.exception("the observer of the session store failed")


FULL_EVERY_S = 60.0


class Outage:
    """Logs once when a store goes away, once when it is back, and at most once a minute that it is full."""

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
        """Records that a write was refused for lack of room. Reads go on, so each write may find it full again."""
        self.seen(None)
        now = time.monotonic()
        if self._warned_full is None or now - self._warned_full >= FULL_EVERY_S:
            self._warned_full = now
            logger.warning("session store %s is full: %s", self._location, problem)
