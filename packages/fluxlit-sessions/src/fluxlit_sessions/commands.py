"""Commands to a backend, each with the type of its result.

A `Backend` executes commands and does nothing else: it neither encodes, encrypts, mints
ids nor decides policy. One command is one atomic step.

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
    """A command with a result of type `R_co`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Result of a write that was based on another version than the stored one."""

    found: int


@dataclass(frozen=True, slots=True)
class Create(Command[Header | Conflict]):
    """Store a new record, unless its key is taken.

    A `vital` record may use the reserve of a full store.
    """

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
    """Replace the envelope of a live record at version `expected`.

    `vital`: see `Create`.
    """

    key: Key
    expected: int
    token: bytes
    lifetimes: Lifetimes
    envelope: bytes
    vital: bool = False


@dataclass(frozen=True, slots=True)
class Move(Command[Header | Conflict | None]):
    """Move a live record at version `expected` to another key.

    The new key is of the same shard; envelope and subject change with it. The old key is gone.
    """

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
    """Fetch a record that was not taken before.

    It stays for `grace` ms, so that the same token can fetch it again.
    """

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
    """One page of a listing. A row may appear on two pages.

    Attributes:
        rows: the records.
        cursor: of the next page, `None` after the last.
    """

    rows: tuple[Row, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class List(Command[Rows]):
    """List about `limit` live sessions; with tags only those of a subject.

    The first cursor is empty.
    """

    tags: tuple[bytes, ...] | None
    cursor: str
    limit: int


@dataclass(frozen=True, slots=True)
class Count(Command[int]):
    """Count live sessions; with tags only those of a subject."""

    tags: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class DeleteSubject(Command[int]):
    """Remove all sessions with one of these tags; the result is their number."""

    tags: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Ping(Command[None]):
    """Check that the store works, with the least possible load."""


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
        """Executes `command`, blocking."""
        ...

    async def aexecute(self, command: Command[R]) -> R:
        """Executes `command` without blocking the event loop."""
        ...

    def close(self) -> None:
        """Releases what `execute` uses. May be called twice."""
        ...

    async def aclose(self) -> None:
        """Releases the resources of the running event loop, and those of `close`."""
        ...
