"""What a store can be asked: commands as values, each with the type of its answer.

A `Backend` takes a command and answers it. That is all it does: it neither encodes,
encrypts, mints ids nor decides policy. One command is one atomic step.

A command that writes carries a token (see record.py) and can be executed twice with
the effect of once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fluxlit_sessions.ids import Key
from fluxlit_sessions.lifetimes import Lifetimes
from fluxlit_sessions.record import Header, Record

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Command(Generic[R_co]):
    """A question to a backend whose answer is of type R_co."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """The answer to a write that was based on another version than the store's."""

    found: int


@dataclass(frozen=True, slots=True)
class Create(Command[Header | Conflict]):
    """Store a new record, unless there is one under its key. A vital one may use what a full store has in reserve."""

    key: Key
    token: bytes
    lifetimes: Lifetimes
    envelope: bytes
    tag: bytes
    subject: bytes
    vital: bool = False


@dataclass(frozen=True, slots=True)
class Read(Command[Record | None]):
    """Fetch a live record; with lifetimes, count that as a use."""

    key: Key
    lifetimes: Lifetimes | None = None


@dataclass(frozen=True, slots=True)
class Touch(Command[Header | None]):
    """Count a use of a live record."""

    key: Key
    lifetimes: Lifetimes


@dataclass(frozen=True, slots=True)
class Replace(Command[Header | Conflict | None]):
    """Put a new envelope into a live record that is at version `expected`. Vital: see `Create`."""

    key: Key
    expected: int
    token: bytes
    lifetimes: Lifetimes
    envelope: bytes
    vital: bool = False


@dataclass(frozen=True, slots=True)
class Move(Command[Header | Conflict | None]):
    """Give a live record at version `expected` another key (same shard), envelope and subject; the old key is dead."""

    old: Key
    new: Key
    expected: int
    token: bytes
    lifetimes: Lifetimes
    envelope: bytes
    old_tag: bytes
    tag: bytes
    subject: bytes


@dataclass(frozen=True, slots=True)
class Take(Command[Record | Conflict | None]):
    """Fetch a record that nobody has taken; it stays `grace` ms for a repetition with the same token."""

    key: Key
    token: bytes
    grace: int


@dataclass(frozen=True, slots=True)
class Delete(Command[None]):
    """Remove a record if it is there."""

    key: Key


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a listing."""

    key: Key
    header: Header
    subject: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a listing; `cursor` leads to the next, `None` after the last. A row may come twice."""

    rows: tuple[Row, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class List(Command[Rows]):
    """A page of about `limit` live sessions; with tags only those of a subject. The first cursor is empty."""

    tags: tuple[bytes, ...] | None
    cursor: str
    limit: int


@dataclass(frozen=True, slots=True)
class Count(Command[int]):
    """The number of live sessions; with tags only those of a subject."""

    tags: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class DeleteSubject(Command[int]):
    """Remove all sessions with one of these tags; answers how many were found."""

    tags: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Ping(Command[None]):
    """Do the least that proves that the store works."""


class Backend(Protocol):
    """A driver: executes commands.

    It raises `SessionStoreUnavailable` when it cannot, `SessionStoreFull` for lack of room, and nothing else.

    Attributes:
        name: kind of store for metrics, such as ``redis``.
        location: which store, for people; holds no credentials.
    """

    @property
    def name(self) -> str:
        """Kind of store."""
        ...

    @property
    def location(self) -> str:
        """Which store."""
        ...

    def execute(self, command: Command[R]) -> R:
        """Answers `command`, blocking."""
        ...

    async def aexecute(self, command: Command[R]) -> R:
        """Answers `command` without blocking the event loop."""
        ...

    def close(self) -> None:
        """Releases what `execute` uses. May be called twice."""
        ...

    async def aclose(self) -> None:
        """Releases what `aexecute` uses in the running event loop, and what `close` does."""
        ...
