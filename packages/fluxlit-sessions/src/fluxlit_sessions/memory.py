# ruff: noqa: D102 - the methods are those of Backend and documented there
"""Sessions in the memory of one process: for tests, development and a single embedded process."""

from __future__ import annotations

import threading
import time
from typing import Any, TypeVar, Unpack, cast

from fluxlit_sessions.commands import Command, Count, DeleteSubject, List, Ping, Row, Rows
from fluxlit_sessions.ids import Key, Kind
from fluxlit_sessions.options import Clock, StoreOptions
from fluxlit_sessions.record import Record
from fluxlit_sessions.store import BackedStore
from fluxlit_sessions.transitions import apply

R = TypeVar("R")
SWEEP_EVERY = 60_000


class MemoryBackend:
    """A dict under a lock."""

    name = "memory"
    location = "memory://"

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._records: dict[Key, Record] = {}
        self._swept = 0

    def execute(self, command: Command[R]) -> R:
        now = int(self._clock() * 1000)
        with self._lock:
            self._sweep(now)
            return cast(R, self._answer(command, now))

    async def aexecute(self, command: Command[R]) -> R:
        return self.execute(command)  # a dict look-up under a lock held for microseconds: nothing to wait for

    def close(self) -> None:
        with self._lock:
            self._records.clear()

    async def aclose(self) -> None:
        self.close()

    def _answer(self, command: Command[Any], now: int) -> Any:
        match command:
            case List(tags):
                return Rows(tuple(_row(key, record) for key, record in self._sessions(tags, now)), None)
            case Count(tags):
                return len(self._sessions(tags, now))
            case DeleteSubject(tags):
                found = self._sessions(tags, now)
                for key, _ in found:
                    del self._records[key]
                return len(found)
            case Ping():
                return None
        outcome = apply(command, self._records.get, now)
        for key, record in outcome.changes.items():
            if record is None:
                self._records.pop(key, None)
            else:
                self._records[key] = record
        return outcome.answer

    def _sessions(self, tags: tuple[bytes, ...] | None, now: int) -> list[tuple[Key, Record]]:
        return [
            (key, record)
            for key, record in self._records.items()
            if key.kind is Kind.SESSION and now < record.header.expires and (tags is None or record.header.tag in tags)
        ]

    def _sweep(self, now: int) -> None:
        if abs(now - self._swept) < SWEEP_EVERY:
            return
        self._swept = now
        self._records = {key: record for key, record in self._records.items() if now < record.header.expires}


def _row(key: Key, record: Record) -> Row:
    return Row(key, record.header, record.subject, len(record.envelope))


class MemorySessionStore(BackedStore):
    """Sessions in this process's memory; gone when it ends. Takes `StoreOptions`."""

    def __init__(self, **options: Unpack[StoreOptions]) -> None:
        super().__init__(MemoryBackend(options.get("clock", time.time)), options)
