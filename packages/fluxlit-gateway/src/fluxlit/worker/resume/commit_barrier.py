"""Hold the end of a run until its changes are in the store.

Everything else passes at once, so a page shows its content as early as ever. What follows an end that is held back
waits behind it, for the order matters. Nothing is held longer than `HOLD_S`: a store that takes longer counts as
away, and the page shows that before the end of the run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from fluxlit.sessions import SessionCopy
from fluxlit.streamlit import messages

HOLD_S = 1.0


class CommitBarrier:
    """Stands between Streamlit and one connection. Belongs to the event loop.

    Args:
        client: Streamlit's connection to a browser.
        copy: of its session.
        down: the store is known to be away.
        late: called with what sends a message to this browser, when the changes of an ended run are not in the store.
    """

    def __init__(
        self,
        client: Any,
        copy: SessionCopy,
        down: Callable[[], bool],
        late: Callable[[Callable[[Any], None]], None],
    ) -> None:
        self._send: Callable[[Any], None] = client.write_forward_msg
        self._copy = copy
        self._down = down
        self._late = late
        self._held: deque[Any] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        client.write_forward_msg = self._write

    @property
    def holding(self) -> bool:
        """Something is held back."""
        return bool(self._held)

    def _write(self, message: Any) -> None:
        if self._held:
            self._held.append(message)
        elif messages.is_run_end(message) and self._copy.dirty:
            self._end_of_run(message)
        else:
            self._send(message)

    def _end_of_run(self, message: Any) -> None:
        if not self._down() and self._copy.call_when_saved(self._saved):
            self._held.append(message)
            self._timer = self._loop.call_later(HOLD_S, self._release, True)
            return
        if self._copy.dirty:
            self._late(self._send)
        self._send(message)

    def _saved(self) -> None:
        """Called in a thread that has written the copy."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._release)

    def give_up(self) -> None:
        """The store is away: let go what is held."""
        self._release(late=True)

    def _release(self, late: bool = False) -> None:  # noqa: FBT001, FBT002 - a callback of timers
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, deque()
        try:
            if held and late:
                self._late(self._send)
            for number, message in enumerate(held):
                if number:
                    self._write(message)
                else:
                    self._send(message)
        except Exception:  # noqa: BLE001 - Streamlit's own for a browser that is gone; it will notice with the next
            self._held.clear()
