"""Processes that share a store, for the tests of copies."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from fluxlit_sessions import SessionStoreFull, SessionStoreUnavailable
from fluxlit_sessions.copies import Copies, Copy, Found, Limits

NAME = "0f8fad5b-d9cb-469f-a165-70867728950e"


ADA = {"email": "ada@example.com"}


class Heard:
    """Records the notifications of a writer."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.more = threading.Condition()

    def _note(self, what: str) -> None:
        with self.more:
            self.said.append(what)
            self.more.notify_all()

    def taken(self, copy: Copy) -> None:
        self._note("taken")

    def away(self) -> None:
        self._note("away")

    def back(self) -> None:
        self._note("back")

    def wait_for(self, what: str) -> None:
        with self.more:
            assert self.more.wait_for(lambda: what in self.said, 60), self.said


class Faulty:
    """A store that can be off or full, or lose responses to writes."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.off = self.lose = self.full = False
        self.writes = 0

    def with_idle_ttl(self, _seconds: float) -> Faulty:
        return self

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._store, name)
        if name not in ("create", "save", "read", "aread", "delete", "touch"):
            return function

        def call(*args: Any, **options: Any) -> Any:
            if self.full and name in ("create", "save"):
                raise SessionStoreFull("it is full", location="memory")
            if self.off:
                raise SessionStoreUnavailable("it is off", location="memory")
            result = function(*args, **options)
            self.writes += name in ("create", "save")
            if self.lose and name in ("create", "save"):
                self.lose = False
                raise SessionStoreUnavailable("cut", location="memory", may_have_applied=True)
            return result

        return call


class Process:
    """The part of a worker: copies and their listener."""

    def __init__(self, store: Any, **limits: Any) -> None:
        self.heard = Heard()
        self.copies = Copies(store, self.heard, Limits(**limits))

    def begin(self, identity: dict[str, Any] | None = None) -> Copy:
        return self.copies.begin(NAME, identity or {})

    def save(self, copy: Copy, state: dict[str, Any]) -> None:
        copy.put(state, {}, {})
        self.copies.submit(copy)
        self.settle(copy)

    def settle(self, copy: Copy) -> None:
        done = threading.Event()
        if copy.call_when_saved(done.set):
            assert done.wait(60)

    def look(self, name: str = NAME) -> Found | None:
        return asyncio.run(self.copies.look(name))

    def resume(self, identity: dict[str, Any] | None = None) -> tuple[Copy, dict[str, Any]] | None:
        found = self.look()
        assert found is not None
        taken = self.copies.take_over(NAME, found, identity or {})
        if taken is not None:
            self.copies.submit(taken[0])
            self.settle(taken[0])
        return taken
