"""Event-loop lag: how late timers fire, and what blocks the loop.

Every request has waited that long for its turn. A thread looks at the loop from outside. When the loop has not had a
turn for `BLOCKED_S`, the thread logs the route and the stack of what it runs. A call of C code that keeps the
interpreter lock stops the thread too; then only the delay shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any

from fluxlit.observability.metrics import DELAYS, Histogram, Samples

logger = logging.getLogger("fluxlit.event_loop")

BEAT_S = 0.5
BLOCKED_S = 1.0
"""Seconds without a turn, beyond the pause between two, after which the loop counts as blocked."""

MAX_FRAMES = 16

IDLE_FILES = ("selectors.py", "runners.py")
"""Where the thread of a loop is that has nothing to do: in `select`, or in uvloop below `asyncio.Runner`."""


EXPECTED = frozenset({"fluxlit.server.reload", "fluxlit.worker.garbage_collection"})
"""Modules that block on purpose: code is imported again during development, garbage is collected while all is quiet."""


class LoopLag:
    """Measures the delay of one event loop, and logs what blocks it.

    Args:
        process: what the log calls its process.
        advice: what to do about a route that blocks.

    Attributes:
        delays: in seconds.
        blocked: how often the loop was blocked.
    """

    def __init__(self, process: str = "the gateway", advice: str = "") -> None:
        self.delays = Histogram(DELAYS)
        self.blocked = 0
        self._process = process
        self._advice = advice
        self._turn = 0.0
        self._thread = 0
        self._stopped = threading.Event()

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Measure as long as something runs."""
        self._turn = time.monotonic()
        self._stopped.clear()
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            self._stopped.set()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def watch(self) -> None:
        """Log what blocks the loop from now on; imports at the start may."""
        self._thread = threading.get_ident()
        threading.Thread(target=self._watch, name="fluxlit-event-loop", daemon=True).start()

    def read(self, process: str) -> Samples:
        """The numbers under the names of the catalogue."""
        samples = Samples()
        samples.add("fluxlit_event_loop_delay_seconds", self.delays, process)
        samples.add("fluxlit_event_loop_blocked_total", self.blocked, process)
        return samples

    async def _beat(self) -> None:
        while True:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._turn = time.monotonic()
            self.delays.add(max(0.0, self._turn - due))

    def _watch(self) -> None:
        reported = 0.0
        while not self._stopped.wait(BEAT_S):
            turn = self._turn
            late = time.monotonic() - turn - BEAT_S
            if late < BLOCKED_S or turn == reported:
                continue
            frame = sys._current_frames().get(self._thread)  # noqa: SLF001  (documented, for this purpose)
            if frame is not None and self._turn == turn and not is_idle(frame):
                reported = turn
                self.blocked += 1
                route, stack = describe(frame)
                cause = f" by {route}" if route else ""
                logger.warning(
                    "The event loop of %s has been blocked for %.1f s%s; nothing else is served there meanwhile.%s\n%s",
                    self._process,
                    late,
                    cause,
                    f" {self._advice}" if self._advice and route else "",
                    stack,
                )


def is_idle(frame: FrameType) -> bool:
    """Whether a loop waits for events, or blocks on purpose.

    In the first case its process did not get the processor.
    """
    return frame.f_code.co_filename.endswith(IDLE_FILES) or any(
        each.f_globals.get("__name__") in EXPECTED for each in outwards(frame)
    )


def describe(frame: FrameType) -> tuple[str, str]:
    """The route that a thread serves, or none, and its stack."""
    stack: list[FrameType] = []
    scope: Any = None
    for each in outwards(frame):
        scope = each.f_locals.get("scope")
        if isinstance(scope, dict) and "path" in scope:
            break
        scope = None
        stack.append(each)
    shown = [(each, each.f_lineno) for each in reversed(stack[:MAX_FRAMES])]
    lines = traceback.StackSummary.extract(iter(shown)).format()
    return (name_of(scope) if scope is not None else ""), "".join(lines).rstrip()


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and its callers."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def name_of(scope: Any) -> str:
    """A request by its method and the pattern of its route, or its path."""
    pattern = getattr(scope.get("route"), "path", None)
    path = f"{scope.get('root_path', '')}{pattern}" if pattern else scope["path"]
    return f"{scope.get('method', 'WEBSOCKET')} {path}"
