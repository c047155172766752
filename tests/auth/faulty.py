"""A session store that fails at a chosen call.

It does so before or after the work of the call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fluxlit_auth import OIDC
from fluxlit_sessions import SessionStore, SessionStoreUnavailable


class Faults:
    """Which call of all stores fails.

    Attributes:
        countdown: calls that still succeed; negative for no failure.
        late: the failing call does its work, and only its response is lost.
        hit: the failure has happened.
    """

    def __init__(self) -> None:
        self.countdown, self.late, self.hit = -1, False, False

    def arm(self, countdown: int, *, late: bool) -> None:
        self.countdown, self.late, self.hit = countdown, late, False

    def disarm(self) -> None:
        self.countdown = -1

    def due(self) -> bool:
        self.countdown -= 1
        if self.countdown == -1:
            self.hit = True
            return True
        return False


class FaultyStore:
    """Passes every call on, unless it is the one that fails."""

    def __init__(self, store: SessionStore, faults: Faults) -> None:
        self._store, self._faults = store, faults

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name == "alist":
            return self._listing
        if not name.startswith("a") or not callable(method) or name in ("aclose", "available"):
            return method

        async def call(*arguments: Any, **options: Any) -> Any:
            due = self._faults.countdown >= 0 and self._faults.due()
            result = await method(*arguments, **options) if not due or self._faults.late else None
            if due:
                raise SessionStoreUnavailable("made to fail", location="test")
            return result

        return call

    async def _listing(self, **options: Any) -> AsyncIterator[Any]:
        if self._faults.countdown >= 0 and self._faults.due():
            raise SessionStoreUnavailable("made to fail", location="test")
        async for each in self._store.alist(**options):
            yield each


def make_faulty(oidc: OIDC) -> Faults:
    """Let the stores of a login fail on request."""
    faults, context = Faults(), oidc._running.context
    users: tuple[Any, ...] = (context.sessions, context.revocations)
    for each in users:
        each._store = FaultyStore(each._store, faults)
    return faults
