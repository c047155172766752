"""The sessions of one worker, as it reports them."""

from __future__ import annotations

from collections import OrderedDict

MOST_LEFT = 4096
"""Sessions without a browser that are remembered. Streamlit itself keeps 128, for two minutes unless told otherwise."""


class Sessions:
    """Ids of a worker's sessions: those with a browser, and those to which one may come back.

    Streamlit does not say when it forgets a session that nobody came back to. Such an id stays here until others
    push it out. It does no harm: a browser that names it is sent to this worker, and gets a new session.
    """

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._left: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, session: object) -> bool:
        return session in self._open or session in self._left

    def __len__(self) -> int:
        """The number of sessions with a browser."""
        return len(self._open)

    def heard(self, event: str, session: str) -> None:
        """Take in a report: a session ``opened``, its browser ``left``, or it is ``closed`` for ever."""
        self._open.discard(session)
        self._left.pop(session, None)
        if event == "opened":
            self._open.add(session)
        elif event == "left":
            self._left[session] = None
            if len(self._left) > MOST_LEFT:
                self._left.popitem(last=False)

    def clear(self) -> None:
        """The worker is gone, and all its sessions with it."""
        self._open.clear()
        self._left.clear()
