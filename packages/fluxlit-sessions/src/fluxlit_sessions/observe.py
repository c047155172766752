"""What a store tells whoever wants metrics or traces."""

from __future__ import annotations

import logging
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
        outcome: ``ok``, ``missing``, ``conflict``, ``unavailable`` or ``error``.
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


class Outage:
    """Logs once when a store goes away, and once when it is back."""

    def __init__(self, location: str) -> None:
        self._location = location
        self.down = False

    def seen(self, problem: str | None) -> None:
        """Records the last contact: `None` for success, else why it failed."""
        if problem is not None and not self.down:
            logger.warning("session store %s is unavailable: %s", self._location, problem)
        elif problem is None and self.down:
            logger.info("session store %s is available again", self._location)
        self.down = problem is not None
