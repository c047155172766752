"""Threads that write copies, so that no run waits for a slow store.

A copy is in the queue once, however often it changes; its newest content is written. During an outage one thread
retries with one copy, with back-off; the others wait, and nothing is dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from fluxlit_sessions.copies.copy import Copy, Taken
from fluxlit_sessions.errors import SessionError, SessionStoreUnavailable

logger = logging.getLogger("fluxlit_sessions")

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
LOOK_S = 30.0


class Listener(Protocol):
    """Is notified of copies and outages, in a thread of the writer."""

    def taken(self, copy: Copy) -> None:
        """Another process has the session."""

    def away(self) -> None:
        """The store cannot be reached; writes wait."""

    def back(self) -> None:
        """The store can be reached again."""


class Writer:
    """Writes copies in the background.

    Args:
        listener: notified of lost copies and of outages.
        live: returns all copies of live sessions, to be kept alive.
        threads: number of threads.
    """

    def __init__(self, listener: Listener, live: Callable[[], Iterable[Copy]], threads: int) -> None:
        self._listener, self._live = listener, live
        self._queue: deque[Copy] = deque()
        self._queued: set[int] = set()
        self._changed = threading.Condition()
        self._count = threads
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._stopping = False
        self._pause = 0.0
        self._looked = time.monotonic()
        self.down = False

    def submit(self, copy: Copy) -> None:
        """Queues a copy."""
        with self._changed:
            if not self._threads:
                self._start()
            self._enqueue(copy)
            self._changed.notify()

    def close(self, timeout: float) -> bool:
        """Writes queued copies for at most `timeout` s, then ends the threads.

        Returns whether all were written.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while (self._queue or self._busy) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            done = not (self._queue or self._busy)
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return done

    def _start(self) -> None:
        for number in range(self._count):
            thread = threading.Thread(target=self._work, name=f"fluxlit-copies-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _enqueue(self, copy: Copy) -> None:
        if id(copy) not in self._queued:
            self._queued.add(id(copy))
            self._queue.append(copy)

    def _work(self) -> None:
        while not self._stopping:
            copy = self._next()
            if copy is not None:
                self._write(copy)
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
            self._keep_alive()

    def _next(self) -> Copy | None:
        """Returns the next copy, `None` when it is time to keep copies alive."""
        with self._changed:
            if self._stopping:  # set after the loop looked: the notification is over, and a wait would last LOOK_S
                return None
            if not self._may_take():
                self._changed.wait(LOOK_S)
            elif self._pause:
                self._changed.wait(self._pause)
            if not self._may_take():
                return None
            copy = self._queue.popleft()
            self._queued.discard(id(copy))
            self._busy += 1
            return copy

    def _may_take(self) -> bool:
        # During an outage one thread tries for all.
        return bool(self._queue) and not self._stopping and not (self.down and self._busy)

    def _write(self, copy: Copy) -> None:
        try:
            copy.write()
        except Taken:
            self._listener.taken(copy)
        except SessionStoreUnavailable:
            self._missed(copy)
            return
        except SessionError as error:
            logger.warning("session could not be copied: %s", error)
        except Exception:  # any store of another package; these threads must not end
            logger.exception("session could not be copied")
        self._reached()

    def _missed(self, copy: Copy) -> None:
        with self._changed:
            self._enqueue(copy)
            first, self.down = not self.down, True
            self._pause = min(LONGEST_PAUSE_S, self._pause * 2 or FIRST_PAUSE_S)
        if first:
            self._listener.away()

    def _reached(self) -> None:
        if not self.down:
            return
        with self._changed:
            again, self.down, self._pause = self.down, False, 0.0
        if again:
            self._listener.back()

    def _keep_alive(self) -> None:
        if time.monotonic() - self._looked < LOOK_S or self.down:
            return
        self._looked = time.monotonic()
        try:
            for copy in self._live():
                copy.keep_alive()
        except SessionError as error:
            logger.info("session copies could not be kept alive: %s", error)
