# ruff: noqa: D102, S608 - the methods are those of Backend; only constants are put into statements, values are bound
"""Sessions in an SQLite file, for all processes of one machine.

WAL lets readers continue while one process writes. Writers take turns: a write transaction
starts with BEGIN IMMEDIATE, so it waits for the lock before it has read anything, and
never fails in the middle. With synchronous=NORMAL a commit survives the death of the
process at any point; only a power cut can lose the last commits, and never the file.

The file must be on a local disk: WAL needs shared memory, network file systems have none.

Even a deletion appends to the log first, which fails on a full disk. Each process therefore
holds some disk space in reserve and releases it for all commands but those with new data.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, Unpack, cast

from fluxlit_sessions.commands import Command, Count, Create, DeleteSubject, List, Ping, Read, Replace, Row, Rows, Touch
from fluxlit_sessions.errors import SessionStoreError, SessionStoreFull, SessionStoreUnavailable
from fluxlit_sessions.ids import Key, Kind
from fluxlit_sessions.options import Clock, StoreOptions, check_namespace, check_options
from fluxlit_sessions.record import Header, Record
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.transitions import Outcome, apply

R = TypeVar("R")

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    namespace TEXT NOT NULL, kind TEXT NOT NULL, shard INTEGER NOT NULL, digest BLOB NOT NULL,
    version INTEGER NOT NULL, created INTEGER NOT NULL, touched INTEGER NOT NULL, expires INTEGER NOT NULL,
    absolute INTEGER NOT NULL, history BLOB NOT NULL, tag BLOB NOT NULL, subject BLOB NOT NULL, envelope BLOB NOT NULL,
    PRIMARY KEY (namespace, kind, shard, digest)
) STRICT;
CREATE INDEX IF NOT EXISTS records_by_expiry ON records (expires);
CREATE INDEX IF NOT EXISTS records_by_tag ON records (namespace, tag) WHERE tag != zeroblob(32);
"""
HEADER_COLUMNS = "version, created, touched, expires, absolute, history, tag"
_columns = attrgetter(*HEADER_COLUMNS.split(", "))
LIVE = "namespace = ? AND kind = 's' AND expires > ?"
WHERE_KEY = "namespace = ? AND kind = ? AND shard = ? AND digest = ?"
SWEEP_EVERY = 60_000
SWEEP_ROWS = 500
IDLE_CONNECTIONS = 4
BUSY_TIMEOUT = 5.0
RESERVE = 5 * 1024 * 1024
"""Bytes of disk space in reserve; SQLite moves the log into the file at 1000 pages of 4 KiB."""


class Reserve:
    """Disk space that this process holds, in an unlinked file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def hold(self) -> None:
        """Allocates the space, if it is free."""
        if self._file is not None or not hasattr(os, "posix_fallocate"):
            return
        with contextlib.suppress(OSError):
            self._file, name = tempfile.mkstemp(dir=self._folder)
            Path(name).unlink()
            try:
                os.posix_fallocate(self._file, 0, RESERVE)
            except OSError:
                self.release()

    def release(self) -> None:
        """Frees the space."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    __del__ = release


class Connections:
    """A pool of connections to one file, for all threads of this process.

    One per thread would leak: Streamlit runs each script run in a thread of its own.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path, self._timeout = path, timeout
        self._idle: deque[sqlite3.Connection] = deque()  # append and pop are atomic
        self._pid = os.getpid()

    @contextlib.contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Lends a connection; after an error it is closed, not reused."""
        if self._pid != os.getpid():  # after a fork SQLite connections of the parent must not be used
            self._pid, self._idle = os.getpid(), deque()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Closes the idle connections."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA secure_delete=FAST")  # overwrite deleted content
        except BaseException:
            connection.close()
            raise
        return connection


class SQLiteBackend:
    """Records as rows of one table."""

    name = "sqlite"

    def __init__(self, path: Path, namespace: str, clock: Clock, timeout: float) -> None:
        self.location = f"sqlite:///{path}"
        self._namespace, self._clock = check_namespace(namespace), clock
        self._connections = Connections(path, timeout)
        self._swept = 0
        _prepare_file(path)
        self._reserve = Reserve(path.parent)
        self._reserve.hold()
        with self._errors(), self._connections.use() as connection:
            _prepare_schema(connection, path)

    def execute(self, command: Command[R]) -> R:
        with self._errors():
            try:
                return self._execute(command)
            except sqlite3.OperationalError as error:
                if not _is_full(error) or (isinstance(command, Create | Replace) and not command.vital):
                    raise
            self._reserve.release()
            with self._connections.use() as connection:
                connection.execute("PRAGMA wal_checkpoint(RESTART)")  # the log starts again in the space that it has
            return self._execute(command)

    def _execute(self, command: Command[R]) -> R:
        now = int(self._clock() * 1000)
        with self._connections.use() as connection:
            return cast(R, self._answer(connection, command, now))

    async def aexecute(self, command: Command[R]) -> R:
        return await asyncio.to_thread(self.execute, command)

    def close(self) -> None:
        self._connections.close()
        self._reserve.release()

    async def aclose(self) -> None:
        self.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            kind = SessionStoreFull if _is_full(error) else SessionStoreUnavailable
            raise kind(str(error), location=self.location) from error
        except (sqlite3.Error, OSError) as error:
            raise SessionStoreUnavailable(str(error), location=self.location) from error

    def _answer(self, connection: sqlite3.Connection, command: Command[Any], now: int) -> Any:
        match command:
            case List():
                return self._page(connection, command, now)
            case Count(tags):
                where, values = self._live(tags, now)
                return connection.execute(f"SELECT count(*) FROM records WHERE {where}", values).fetchone()[0]
            case DeleteSubject(tags):
                where, values = self._live(tags, now)
                return connection.execute(f"DELETE FROM records WHERE {where}", values).rowcount
            case Ping():
                return connection.execute("SELECT count(*) FROM pragma_table_info('records')").fetchone() and None
            case Read() | Touch():  # often there is nothing to write: read before taking the write lock
                outcome = apply(command, lambda key: self._load(connection, key), now)
                if not outcome.changes:
                    return outcome.answer
        return self._write(connection, command, now)

    def _write(self, connection: sqlite3.Connection, command: Command[Any], now: int) -> Any:
        connection.execute("BEGIN IMMEDIATE")
        outcome = apply(command, lambda key: self._load(connection, key), now)
        self._store(connection, outcome)
        self._sweep(connection, now)
        connection.execute("COMMIT")
        return outcome.answer

    def _key(self, key: Key) -> tuple[str, str, int, bytes]:
        return self._namespace, key.kind.value, key.shard, key.digest

    def _load(self, connection: sqlite3.Connection, key: Key) -> Record | None:
        query = f"SELECT {HEADER_COLUMNS}, subject, envelope FROM records WHERE {WHERE_KEY}"
        row = connection.execute(query, self._key(key)).fetchone()
        return None if row is None else Record(Header(*row[:7]), row[7], row[8])

    def _store(self, connection: sqlite3.Connection, outcome: Outcome) -> None:
        for key, record in outcome.changes.items():
            if record is None:
                connection.execute(f"DELETE FROM records WHERE {WHERE_KEY}", self._key(key))
                continue
            connection.execute(
                "INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) "
                "ON CONFLICT DO UPDATE SET (version, touched, expires, history, envelope)"
                " = (excluded.version, excluded.touched, excluded.expires, excluded.history, excluded.envelope)",
                (*self._key(key), *_columns(record.header), record.subject, record.envelope),
            )

    def _live(self, tags: tuple[bytes, ...] | None, now: int) -> tuple[str, list[Any]]:
        if tags is None:
            return LIVE, [self._namespace, now]
        marks = ",".join("?" * len(tags))
        return f"{LIVE} AND tag IN ({marks}) AND tag != zeroblob(32)", [self._namespace, now, *tags]

    def _page(self, connection: sqlite3.Connection, command: List, now: int) -> Rows:
        where, values = self._live(command.tags, now)
        shard, _, digest = command.cursor.partition(":")
        query = (
            f"SELECT shard, digest, {HEADER_COLUMNS}, subject, length(envelope) FROM records "
            f"WHERE {where} AND (shard, digest) > (?, ?) ORDER BY shard, digest LIMIT ?"
        )
        found = connection.execute(query, [*values, int(shard or -1), bytes.fromhex(digest), command.limit]).fetchall()
        rows = tuple(Row(Key(Kind.SESSION, row[0], row[1]), Header(*row[2:9]), row[9], row[10]) for row in found)
        last = rows[-1].key if len(rows) == command.limit else None
        return Rows(rows, f"{last.shard}:{last.digest.hex()}" if last else None)

    def _sweep(self, connection: sqlite3.Connection, now: int) -> None:
        # A few expired rows with each write; other processes do the same.
        if abs(now - self._swept) < SWEEP_EVERY:
            return
        connection.execute(
            "DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE expires <= ? LIMIT ?)",
            (now, SWEEP_ROWS),
        )
        left = connection.execute("SELECT 1 FROM records WHERE expires <= ? LIMIT 1", (now,)).fetchone()
        self._swept = 0 if left else now
        self._reserve.hold()


def _prepare_file(path: Path) -> None:
    """Creates the file, readable for its owner only, as are SQLite's others.

    A file that exists is not opened here. Closing it would drop every lock that this process has on it, also those of
    another store's connections (POSIX; "How To Corrupt An SQLite Database File", section 2.2). The next process to
    close would then remove the log as the last one, and this process would never see writes of others again.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_dir() or not os.access(path, os.R_OK | os.W_OK):
            reason = "it is a directory" if path.is_dir() else "permission denied"
            raise SessionStoreError(f"The session file {path} cannot be opened: {reason}.") from None
    except OSError as error:
        raise SessionStoreError(f"The session file {path} cannot be opened: {error.strerror}.") from error


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _prepare_schema(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA_VERSION:
        raise SessionStoreError(f"The session file {path} was written by a newer fluxlit-sessions (layout {found}).")
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise SessionStoreError(f"The session file {path} is where SQLite cannot use WAL; put it on a local disk.")
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")


class SQLiteSessionStore(SessionStore):
    """Sessions in one file, for all processes of one machine.

    Args:
        path: the file; it is created, readable for its owner only. Its directory must exist.
        timeout: seconds that a write waits for other writers before it reports `SessionStoreUnavailable`.
        options: see `StoreOptions`.

    Raises:
        SessionStoreError: the file cannot be used.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, timeout: float = BUSY_TIMEOUT, **options: Unpack[StoreOptions]
    ) -> None:
        check_options(options)
        backend = SQLiteBackend(
            Path(path).absolute(),
            options.get("namespace", "default"),
            options.get("clock", time.time),
            timeout,
        )
        super().__init__(backend, options)
