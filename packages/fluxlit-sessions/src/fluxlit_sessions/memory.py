# ruff: noqa: D102 - the methods are those of Backend and documented there
"""Sessions in the memory of one process, for tests and development.

Entries and bytes are limited. At the limit expired records are removed first. Anonymous
sessions take at most half of the limits, take-once values a quarter; beyond that new ones
are refused. A new session of a user removes the least recently used anonymous sessions,
and never a session of another user.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, Unpack, cast

from fluxlit_sessions.commands import Command, Count, Create, DeleteSubject, List, Ping, Replace, Row, Rows
from fluxlit_sessions.errors import SessionStoreError, SessionStoreFull
from fluxlit_sessions.ids import Key, Kind
from fluxlit_sessions.options import Clock, StoreOptions, check_options
from fluxlit_sessions.record import NO_TAG, Record
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.transitions import apply

R = TypeVar("R")
SWEEP_EVERY = 60_000
SWEEP_EVERY_WHEN_FULL = 1_000
MAX_ENTRIES = 10_000
MAX_TOTAL_BYTES = 128 * 1024 * 1024
OVERHEAD = 1024
"""Bytes that Python's objects take for one record, beside its content."""


class Group(Enum):
    """Records with a common limit; the value is their share of it."""

    USER = 1.0
    ANONYMOUS = 0.5
    ONCE = 0.25


NAMES = {Group.USER: "entries", Group.ANONYMOUS: "anonymous sessions", Group.ONCE: "take-once values"}
FULL = (
    "{count} of {most} {name}, {size} of {bytes_most} bytes. Raise max_entries or max_total_bytes, or use another store"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and its group."""

    record: Record
    group: Group

    @property
    def size(self) -> int:
        return OVERHEAD + len(self.record.subject) + len(self.record.envelope)


class MemoryBackend:
    """A dict under a lock.

    Args:
        clock: seconds since the epoch.
        max_entries: most records.
        max_total_bytes: most bytes of all records.
    """

    name = "memory"
    location = "memory://"

    def __init__(
        self, clock: Clock = time.time, max_entries: int = MAX_ENTRIES, max_total_bytes: int = MAX_TOTAL_BYTES
    ) -> None:
        if min(max_entries, max_total_bytes) < 1:
            raise SessionStoreError("max_entries and max_total_bytes must be at least 1.")
        self._clock = clock
        self._limits = max_entries, max_total_bytes
        self._lock = threading.Lock()
        self.close()

    def execute(self, command: Command[R]) -> R:
        now = int(self._clock() * 1000)
        with self._lock:
            self._sweep(now, SWEEP_EVERY)
            return cast(R, self._answer(command, now))

    async def aexecute(self, command: Command[R]) -> R:
        return self.execute(command)  # a dict look-up under a lock held for microseconds: nothing to wait for

    def close(self) -> None:
        with self._lock:
            self._swept = 0
            self._entries: dict[Key, Entry] = {}
            self._anonymous: dict[Key, None] = {}  # in the order of their last use
            self._counts: Counter[Group] = Counter()
            self._sizes: Counter[Group] = Counter()

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
                    self._remove(key)
                return len(found)
            case Ping():
                return None
        outcome = apply(command, self._load, now)
        for key, record in outcome.changes.items():
            if record is None:
                self._remove(key)
                continue
            entry = Entry(record, self._group(key, record, command))
            if isinstance(command, Create | Replace):
                self._make_room(key, entry, now)
            self._remove(key)
            self._add(key, entry)
        return outcome.answer

    def _load(self, key: Key) -> Record | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.record

    def _sessions(self, tags: tuple[bytes, ...] | None, now: int) -> list[tuple[Key, Record]]:
        return [
            (key, entry.record)
            for key, entry in self._entries.items()
            if key.kind is Kind.SESSION
            and now < entry.record.header.expires
            and (tags is None or entry.record.header.tag in tags)
        ]

    def _group(self, key: Key, record: Record, command: Command[Any]) -> Group:
        if key.kind is Kind.ONCE:
            return Group.ONCE
        known = self._entries.get(key)
        vital = getattr(command, "vital", False) or (known is not None and known.group is Group.USER)
        return Group.USER if vital or record.header.tag != NO_TAG else Group.ANONYMOUS

    def _add(self, key: Key, entry: Entry) -> None:
        self._entries[key] = entry
        self._counts[entry.group] += 1
        self._sizes[entry.group] += entry.size
        if entry.group is Group.ANONYMOUS:
            self._anonymous[key] = None

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._counts[entry.group] -= 1
            self._sizes[entry.group] -= entry.size
            self._anonymous.pop(key, None)

    def _make_room(self, key: Key, entry: Entry, now: int) -> None:
        """Removes anonymous sessions for an entry, or raises `SessionStoreFull`."""
        while (problem := self._problem(key, entry)) is not None:
            if self._sweep(now, SWEEP_EVERY_WHEN_FULL):
                continue
            if entry.group is not Group.USER or not self._anonymous:
                raise SessionStoreFull(problem, location=self.location)
            self._remove(next(iter(self._anonymous)))

    def _problem(self, key: Key, entry: Entry) -> str | None:
        before = self._entries.get(key)
        more, bytes_more = before is None, entry.size - (0 if before is None else before.size)
        for group in {entry.group, Group.USER}:  # its own share, and the whole
            count, size = (used.total() if group is Group.USER else used[group] for used in (self._counts, self._sizes))
            most, bytes_most = (int(limit * group.value) for limit in self._limits)
            if (more and count >= most) or (bytes_more > 0 and size + bytes_more > bytes_most):
                return FULL.format(count=count, most=most, name=NAMES[group], size=size, bytes_most=bytes_most)
        return None

    def _sweep(self, now: int, every: int) -> bool:
        """Removes expired records at most `every` ms; returns whether it did."""
        if abs(now - self._swept) < every:
            return False
        self._swept = now
        for key in [key for key, entry in self._entries.items() if now >= entry.record.header.expires]:
            self._remove(key)
        return True


def _row(key: Key, record: Record) -> Row:
    return Row(key, record.header, record.subject, len(record.envelope))


class MemorySessionStore(SessionStore):
    """Sessions in this process's memory; gone when it ends.

    Args:
        max_entries: most records, take-once values included.
        max_total_bytes: most bytes of all records.
        options: see `StoreOptions`.
    """

    def __init__(
        self,
        *,
        max_entries: int = MAX_ENTRIES,
        max_total_bytes: int = MAX_TOTAL_BYTES,
        **options: Unpack[StoreOptions],
    ) -> None:
        check_options(options)
        super().__init__(MemoryBackend(options.get("clock", time.time), max_entries, max_total_bytes), options)
