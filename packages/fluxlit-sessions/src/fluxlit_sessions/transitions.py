"""The effect of commands on records: pure functions, no I/O.

`apply` gets the records that it needs through `load`, and returns the changes to make
and the result. A backend calls it between reading and writing under its own
lock or transaction (memory, SQLite). The Lua scripts of the Redis backend follow the
same rules; the contract suite holds all of them together.

A record that has expired is treated as absent, whether or not it is still stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fluxlit_sessions.commands import Command, Conflict, Create, Delete, Move, Read, Replace, Take, Touch
from fluxlit_sessions.ids import Key
from fluxlit_sessions.lifetimes import Lifetimes
from fluxlit_sessions.record import Header, Record, push

Load = Callable[[Key], Record | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a command.

    Attributes:
        answer: its result.
        changes: records to store, `None` to remove.
    """

    answer: Any
    changes: Mapping[Key, Record | None] = field(default_factory=dict)


def apply(command: Command[Any], load: Load, now: int) -> Outcome:  # noqa: PLR0911 - one line for each command
    """Returns the outcome of a command on one record, at time `now` in ms."""

    def alive(key: Key) -> Record | None:
        record = load(key)
        return record if record is not None and now < record.header.expires else None

    match command:
        case Create():
            return _create(command, alive(command.key), now)
        case Read():
            return _read(command, alive(command.key), now)
        case Touch():
            return _touch(command, alive(command.key), now)
        case Replace():
            return _replace(command, alive(command.key), now)
        case Move():
            return _move(command, alive(command.old), alive(command.new), now)
        case Take():
            return _take(command, alive(command.key), now)
        case Delete():
            return Outcome(None, {command.key: None})
    raise TypeError(f"not a command about one record: {command!r}")


def _create(command: Create, found: Record | None, now: int) -> Outcome:
    if found is not None:
        return Outcome(_stale(found.header, 0, command.token))
    expires, absolute = command.lifetimes.first(now)
    header = Header(1, now, now, expires, absolute, push(command.token), command.tag)
    return Outcome(header, {command.key: Record(header, command.subject, command.envelope)})


def _used(header: Header, lifetimes: Lifetimes, now: int) -> Header:
    return replace(header, touched=now, expires=lifetimes.slide(now, header.absolute))


def _touched(key: Key, record: Record, lifetimes: Lifetimes, now: int) -> tuple[Record, dict[Key, Record | None]]:
    if not lifetimes.due(now, record.header.touched):
        return record, {}
    fresh = replace(record, header=_used(record.header, lifetimes, now))
    return fresh, {key: fresh}


def _read(command: Read, found: Record | None, now: int) -> Outcome:
    if found is None or command.lifetimes is None:
        return Outcome(found)
    return Outcome(*_touched(command.key, found, command.lifetimes, now))


def _touch(command: Touch, found: Record | None, now: int) -> Outcome:
    if found is None:
        return Outcome(None)
    record, changes = _touched(command.key, found, command.lifetimes, now)
    return Outcome(record.header, changes)


def _stale(header: Header, expected: int, token: bytes) -> Header | Conflict | None:
    """Returns the result of a write to an unexpected version, else `None`."""
    if header.version == expected:
        return None
    if header.wrote(expected, token):
        return replace(header, version=expected + 1)
    return Conflict(header.version)


def _replace(command: Replace, found: Record | None, now: int) -> Outcome:
    if found is None:
        return Outcome(None)
    if (answer := _stale(found.header, command.expected, command.token)) is not None:
        return Outcome(answer)
    header = _used(found.header.written(command.token), command.lifetimes, now)
    return Outcome(header, {command.key: Record(header, found.subject, command.envelope)})


def _move(command: Move, found: Record | None, moved: Record | None, now: int) -> Outcome:
    if found is None:  # no other client knows the new key: if it is there, an earlier attempt put it there
        return Outcome(moved.header if moved is not None else None)
    if (answer := _stale(found.header, command.expected, command.token)) is not None:
        return Outcome(answer)
    header = replace(_used(found.header.written(command.token), command.lifetimes, now), tag=command.tag)
    return Outcome(header, {command.old: None, command.new: Record(header, command.subject, command.envelope)})


def _take(command: Take, found: Record | None, now: int) -> Outcome:
    if found is None:
        return Outcome(None)
    if found.header.version > 1:
        again = found.header.wrote(1, command.token)
        return Outcome(found if again else Conflict(found.header.version))
    header = replace(found.header.written(command.token), expires=min(found.header.expires, now + command.grace))
    record = replace(found, header=header)
    return Outcome(record, {command.key: record})
