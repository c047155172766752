# ruff: noqa: D102 - the methods of BackedStore are those of SessionStore and documented there
"""The contract that every session store fulfils, and what turns a backend into one.

Each operation exists twice: `read` blocks and is for pages, `aread` is awaited and is
for ASGI code. Both do the same on the same data. What an operation means is written
once, in core.py; what it does to stored records once, in transitions.py and the Lua
scripts; here are only the two ways of waiting.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from fluxlit_sessions.commands import Backend
from fluxlit_sessions.core import DEFAULT_IDLE, Core, Operation
from fluxlit_sessions.errors import SessionConflict, SessionNotFound, SessionStoreFull, SessionStoreUnavailable
from fluxlit_sessions.observe import Observer, OperationEvent, Outage, notify
from fluxlit_sessions.options import StoreOptions
from fluxlit_sessions.session import KEEP, Keep, Session, SessionInfo, at
from fluxlit_sessions.telemetry import default_observer

T = TypeVar("T")


class SessionStore(Protocol):
    """Sessions on the server, found by ids that only the store mints.

    Safe to use from many threads, tasks, event loops and processes. Any method may raise
    `SessionStoreUnavailable`; a store that cannot be reached never looks like an empty one.
    """

    @property
    def location(self) -> str:
        """Which store this is, for people; holds no credentials."""
        ...

    @property
    def available(self) -> bool:
        """Whether the last operation reached the store. No I/O."""
        ...

    def create(
        self, data: Mapping[str, Any] | None = None, *, subject: str | None = None, session_id: str | None = None
    ) -> Session:
        """Starts a session, under a new id unless told which.

        Args:
            data: its first content.
            subject: the user that it belongs to, up to 255 bytes.
            session_id: an id from `derive_id`. Never one that came from outside.

        Raises:
            SessionConflict: there is a session of this id; nothing was written.
            SessionDataError, SessionTooLarge: the data cannot be stored.
        """
        ...

    def derive_id(self, purpose: str, secret: str) -> str:
        """Returns the id that stands for a secret of the application's own, for `create` and `read`. No I/O.

        It is the same for the same purpose and secret in every process. The store keeps neither; only who knows the
        secret can make the id again, so the secret needs at least 120 random bits.
        """
        ...

    def read(self, session_id: str, *, touch: bool = False) -> Session | None:
        """Returns the session, `None` if the id is unknown, expired, deleted or forged.

        Args:
            session_id: the id, from wherever; nothing is assumed about it.
            touch: count this as a use, in the same round trip.

        Raises:
            SessionDataError: the session exists and cannot be read.
            SessionSealError: the session exists and no key opens it.
        """
        ...

    def save(self, session: Session, data: Mapping[str, Any]) -> Session:
        """Replaces the content if nobody saved since `session` was read, and counts as a use.

        Returns the session at its new version, the base for the next save.

        Raises:
            SessionConflict: it was saved in the meantime; nothing was written.
            SessionNotFound: it is gone. A save never brings a deleted session back.
            SessionDataError, SessionTooLarge: the data cannot be stored.
        """
        ...

    def touch(self, session_id: str) -> datetime:
        """Counts a use and returns when the session now expires. It does not change the version.

        Raises:
            SessionNotFound: it is gone.
        """
        ...

    def delete(self, session_id: str) -> None:
        """Ends a session, if there is one. A save that races it does not bring it back."""
        ...

    def rotate(
        self, session: Session, data: Mapping[str, Any] | None = None, *, subject: str | Keep | None = KEEP
    ) -> Session:
        """Gives the session a new id, and optionally other content and another subject, in one step.

        The old id is dead at once. The absolute end stays. Do this when a user logs in or gains rights.

        Raises:
            SessionConflict, SessionNotFound, SessionDataError, SessionTooLarge: as for `save`.
        """
        ...

    def put_once(self, purpose: str, data: Mapping[str, Any], *, ttl: float) -> str:
        """Stores a value that can be taken once within `ttl` seconds; returns the token that takes it."""
        ...

    def take_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        """Returns the value to one caller and never again; `None` if it is taken, expired, unknown or not for this."""
        ...

    def list(self, *, subject: str | None = None) -> Iterator[SessionInfo]:
        """Yields the live sessions, all or of one subject, page by page and in no order."""
        ...

    def count(self, *, subject: str | None = None) -> int:
        """Returns the number of live sessions, all or of one subject."""
        ...

    def revoke(self, handle: str) -> None:
        """Ends the session that a listing named, if there is one."""
        ...

    def delete_subject(self, subject: str) -> int:
        """Ends all sessions of a subject; returns how many were found."""
        ...

    def ping(self) -> None:
        """Raises `SessionStoreUnavailable` unless the store answers."""
        ...

    def close(self) -> None:
        """Releases connections and files of the blocking methods."""
        ...

    async def acreate(
        self, data: Mapping[str, Any] | None = None, *, subject: str | None = None, session_id: str | None = None
    ) -> Session:
        """`create` for async code."""
        ...

    async def aread(self, session_id: str, *, touch: bool = False) -> Session | None:
        """`read` for async code."""
        ...

    async def asave(self, session: Session, data: Mapping[str, Any]) -> Session:
        """`save` for async code."""
        ...

    async def atouch(self, session_id: str) -> datetime:
        """`touch` for async code."""
        ...

    async def adelete(self, session_id: str) -> None:
        """`delete` for async code."""
        ...

    async def arotate(
        self, session: Session, data: Mapping[str, Any] | None = None, *, subject: str | Keep | None = KEEP
    ) -> Session:
        """`rotate` for async code."""
        ...

    async def aput_once(self, purpose: str, data: Mapping[str, Any], *, ttl: float) -> str:
        """`put_once` for async code."""
        ...

    async def atake_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        """`take_once` for async code."""
        ...

    def alist(self, *, subject: str | None = None) -> AsyncIterator[SessionInfo]:
        """`list` for async code."""
        ...

    async def acount(self, *, subject: str | None = None) -> int:
        """`count` for async code."""
        ...

    async def arevoke(self, handle: str) -> None:
        """`revoke` for async code."""
        ...

    async def adelete_subject(self, subject: str) -> int:
        """`delete_subject` for async code."""
        ...

    async def aping(self) -> None:
        """`ping` for async code."""
        ...

    async def aclose(self) -> None:
        """Releases everything: what the running event loop uses, and what `close` releases."""
        ...

    def __enter__(self) -> Self:
        """Returns the store; the end of the block closes it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Calls `close`."""
        ...

    async def __aenter__(self) -> Self:
        """Returns the store; the end of the block closes it."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Calls `aclose`."""
        ...


class BackedStore:
    """A `SessionStore` over a `Backend`. Third parties write the backend and get the rest.

    Args:
        backend: executes commands.
        options: see `StoreOptions`. The clock among them is the backend's business.
    """

    def __init__(self, backend: Backend, options: StoreOptions) -> None:
        self._backend = backend
        self._options = options
        self._core = Core(options)
        observer = options.get("observer") or default_observer()
        self._observers: tuple[Observer, ...] = (observer,) if observer is not None else ()
        self._outage = Outage(backend.location)

    @property
    def location(self) -> str:
        return self._backend.location

    @property
    def available(self) -> bool:
        return not self._outage.down

    def add_observer(self, observer: Observer) -> None:
        """Has one more observer called after every operation, beside that of the options."""
        self._observers = (*self._observers, observer)

    def with_idle_ttl(self, seconds: float) -> BackedStore:
        """Returns the same store, over the same connections, in which unused sessions end sooner.

        The time counts from when a session was last created, saved or used through it.

        Args:
            seconds: until an unused session ends, at most the `idle_ttl` of this store.
        """
        options = self._options.copy()
        options.pop("touch_interval", None)
        options["idle_ttl"] = min(seconds, options.get("idle_ttl", DEFAULT_IDLE))
        store = BackedStore(self._backend, options)
        store._observers, store._outage = self._observers, self._outage
        return store

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location} namespace={self._core.namespace}>"

    def create(
        self, data: Mapping[str, Any] | None = None, *, subject: str | None = None, session_id: str | None = None
    ) -> Session:
        return self._run(self._core.create(data or {}, subject, session_id))

    async def acreate(
        self, data: Mapping[str, Any] | None = None, *, subject: str | None = None, session_id: str | None = None
    ) -> Session:
        return await self._arun(self._core.create(data or {}, subject, session_id))

    def derive_id(self, purpose: str, secret: str) -> str:
        return self._core.derive_id(purpose, secret)

    def read(self, session_id: str, *, touch: bool = False) -> Session | None:
        return self._run(self._core.read(session_id, touch=touch))

    async def aread(self, session_id: str, *, touch: bool = False) -> Session | None:
        return await self._arun(self._core.read(session_id, touch=touch))

    def save(self, session: Session, data: Mapping[str, Any]) -> Session:
        return self._run(self._core.save(session, data))

    async def asave(self, session: Session, data: Mapping[str, Any]) -> Session:
        return await self._arun(self._core.save(session, data))

    def touch(self, session_id: str) -> datetime:
        return at(self._run(self._core.touch(session_id)).expires)

    async def atouch(self, session_id: str) -> datetime:
        return at((await self._arun(self._core.touch(session_id))).expires)

    def delete(self, session_id: str) -> None:
        self._run(self._core.delete(session_id))

    async def adelete(self, session_id: str) -> None:
        await self._arun(self._core.delete(session_id))

    def rotate(
        self, session: Session, data: Mapping[str, Any] | None = None, *, subject: str | Keep | None = KEEP
    ) -> Session:
        return self._run(self._core.rotate(session, data, subject))

    async def arotate(
        self, session: Session, data: Mapping[str, Any] | None = None, *, subject: str | Keep | None = KEEP
    ) -> Session:
        return await self._arun(self._core.rotate(session, data, subject))

    def put_once(self, purpose: str, data: Mapping[str, Any], *, ttl: float) -> str:
        return self._run(self._core.put_once(purpose, data, ttl))

    async def aput_once(self, purpose: str, data: Mapping[str, Any], *, ttl: float) -> str:
        return await self._arun(self._core.put_once(purpose, data, ttl))

    def take_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        return self._run(self._core.take_once(purpose, token))

    async def atake_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        return await self._arun(self._core.take_once(purpose, token))

    def list(self, *, subject: str | None = None) -> Iterator[SessionInfo]:
        seen: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            page, cursor = self._run(self._core.page(subject, cursor))
            yield from _unseen(page, seen)

    async def alist(self, *, subject: str | None = None) -> AsyncIterator[SessionInfo]:
        seen: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            page, cursor = await self._arun(self._core.page(subject, cursor))
            for info in _unseen(page, seen):
                yield info

    def count(self, *, subject: str | None = None) -> int:
        return self._run(self._core.count(subject))

    async def acount(self, *, subject: str | None = None) -> int:
        return await self._arun(self._core.count(subject))

    def revoke(self, handle: str) -> None:
        self._run(self._core.revoke(handle))

    async def arevoke(self, handle: str) -> None:
        await self._arun(self._core.revoke(handle))

    def delete_subject(self, subject: str) -> int:
        return self._run(self._core.delete_subject(subject))

    async def adelete_subject(self, subject: str) -> int:
        return await self._arun(self._core.delete_subject(subject))

    def ping(self) -> None:
        self._run(self._core.ping())

    async def aping(self) -> None:
        await self._arun(self._core.ping())

    def close(self) -> None:
        self._backend.close()

    async def aclose(self) -> None:
        await self._backend.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _run(self, operation: Operation[T]) -> T:
        with _Watch(self._backend.name, operation.name, self._observers, self._outage) as watch:
            if operation.command is None:
                return watch.done(operation.finish(None))
            answer = self._backend.execute(operation.command)
            watch.reached()
            return watch.done(operation.finish(answer))

    async def _arun(self, operation: Operation[T]) -> T:
        with _Watch(self._backend.name, operation.name, self._observers, self._outage) as watch:
            if operation.command is None:
                return watch.done(operation.finish(None))
            answer = await self._backend.aexecute(operation.command)
            watch.reached()
            return watch.done(operation.finish(answer))


class _Watch:
    """Measures one operation, reports it, and gives an outage its name."""

    def __init__(self, store: str, operation: str, observers: tuple[Observer, ...], outage: Outage) -> None:
        self._store, self._operation = store, operation
        self._observers, self._outage = observers, outage
        self._outcome = "ok"

    def __enter__(self) -> Self:
        self._started_ns = time.time_ns()
        self._started = time.perf_counter()
        return self

    def reached(self) -> None:
        self._outage.seen(None)

    def done(self, value: T) -> T:
        if value is None and self._operation in ("read", "take_once"):
            self._outcome = "missing"
        return value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, SessionStoreUnavailable):
            error.operation = self._operation
            note = self._outage.full if isinstance(error, SessionStoreFull) else self._outage.seen
            note(error.reason)
        if error is not None:
            self._outcome = _outcome(error)
        seconds = time.perf_counter() - self._started
        if self._observers:
            notify(
                self._observers,
                OperationEvent(self._store, self._operation, self._outcome, self._started_ns, seconds),
            )


def _outcome(error: BaseException) -> str:
    match error:
        case SessionNotFound():
            return "missing"
        case SessionConflict():
            return "conflict"
        case SessionStoreFull():
            return "full"
        case SessionStoreUnavailable():
            return "unavailable"
    return "error"


def _unseen(page: Iterator[SessionInfo] | Any, seen: set[str]) -> Iterator[SessionInfo]:
    for info in page:
        if info.handle not in seen:
            seen.add(info.handle)
            yield info
