"""Clients that send nothing: how long a connection is kept whose request does not arrive.

Each of them costs a descriptor, and a few thousand of them all there are (the attack is known as Slowloris). A head
has one deadline, however it trickles: it is small, and nobody writes it by hand. A body may take as long as it likes
while something of it comes. nginx has the same two limits, `client_header_timeout` and `client_body_timeout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Delivery:
    """Watches one connection while something is to come from the client.

    Args:
        late: called when it has not come in time.
        head: seconds for a whole head.
        body: seconds between two parts of a body.
    """

    __slots__ = ("_body", "_head", "_heard", "_late", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None], *, head: float, body: float) -> None:
        self._loop = loop
        self._late = late
        self._head = head
        self._body = body
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect_head(self) -> None:
        """A head is to come, or its rest. What is being waited for already is waited for no longer than before."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._head, self._over)

    def expect_body(self) -> None:
        """Something of a body has come, but not its end."""
        self._heard = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._body, self._look)

    def end(self) -> None:
        """It is there, or nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        rest = self._heard + self._body - self._loop.time()
        if rest > 0:
            self._timer = self._loop.call_later(rest, self._look)
        else:
            self._over()

    def _over(self) -> None:
        self._timer = None
        self._late()
