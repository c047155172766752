"""Time limits for what a client sends, on one timer per connection.

A client that sends nothing costs a descriptor, and a few thousand of them are all there are (Slowloris). nginx has the
same limits: `client_header_timeout`, `client_body_timeout`, `keepalive_timeout`, `lingering_timeout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto


class Waiting(Enum):
    """What a connection waits for."""

    NOTHING = auto()
    REQUEST = auto()
    HEAD = auto()
    BODY = auto()
    END = auto()


class ReadTimeout:
    """The deadline of what a connection waits for.

    The timer is left running when the deadline moves, and looks at it when it is due: to cancel a timer and start
    another for each request costs as much as parsing the request.

    Args:
        loop: the event loop.
        on_timeout: called when the deadline has passed.

    Attributes:
        waiting: what the connection waits for; set it to `NOTHING` at the end of a wait.
    """

    __slots__ = ("_deadline", "_loop", "_on_timeout", "_timer", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_timeout: Callable[[], None]) -> None:
        self._loop = loop
        self._on_timeout: Callable[[], None] | None = on_timeout
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.waiting = Waiting.NOTHING

    def start(self, waiting: Waiting, seconds: float) -> None:
        """Wait for something, from now on and no longer than `seconds`."""
        self.waiting = waiting
        self._deadline = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def close(self) -> None:
        """End the timer, and forget the protocol, which refers to this object."""
        self.waiting = Waiting.NOTHING
        self._on_timeout = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self.waiting is Waiting.NOTHING or self._on_timeout is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self.waiting = Waiting.NOTHING
            self._on_timeout()
