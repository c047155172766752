"""`SessionStore`, over a `Backend` that executes commands.

Each operation exists twice: `read` blocks and is for pages, `aread` is awaited and is
for ASGI code. Both do the same on the same data. The meaning of an operation is in
core.py, its effect on stored records in transitions.py and the Lua scripts; this module
only has the two ways of waiting.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from fluxlit_sessions.commands import Backend
from fluxlit_sessions.core import DEFAULT_IDLE, Core, Operation
from fluxlit_sessions.errors import SessionConflict, SessionNotFound, SessionStoreFull, SessionStoreUnavailable
from fluxlit_sessions.observability import Observer, OperationEvent, Outage, notify
from fluxlit_sessions.options import StoreOptions
from fluxlit_sessions.session import KEEP, Keep, Session, SessionInfo, at
from fluxlit_sessions.telemetry import default_observer

T = TypeVar("T")

OUTCOMES: dict[type[BaseException], str] = {
    SessionNotFound: "missing",
    SessionConflict: "conflict",
    SessionStoreFull: "full",
    SessionStoreUnavailable: "unavailable",
}


class SessionStore:
    """Sessions on the server, found by ids that only the store mints.

    Safe to use from many threads, tasks, event loops and processes. Any method may raise
    `SessionStoreUnavailable`; a store that cannot be reached never looks like an empty one.

    Args:
        backend: executes commands. Other packages implement this part only.
        options: see `StoreOptions`. The backend uses the clock among them.
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
        """Which store this is, without credentials."""
        return self._backend.location

    @property
    def available(self) -> bool:
        """Whether the last operation reached the store. No I/O."""
        return not self._outage.down

    def add_observer(self, observer: Observer) -> None:
        """Adds a function to call after every operation."""
        self._observers = (*self._observers, observer)

    def with_idle_ttl(self, seconds: float) -> SessionStore:
        """Returns this store with a shorter `idle_ttl`, over the same connections.

        It applies to sessions that are created, saved or used through the result.

        Args:
            seconds: until an unused session ends, at most the `idle_ttl` of this store.
        """
        options = self._options.copy()
        options.pop("touch_interval", None)
        options["idle_ttl"] = min(seconds, options.get("idle_ttl", DEFAULT_IDLE))
        store = SessionStore(self._backend, options)
        store._observers, store._outage = self._observers, self._outage
        return store

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location} namespace={self._core.namespace}>"

    def create(
        self, data: Mapping[str, Any] | None = None, *, subject: str | None = None, session_id: str | None = None
    ) -> Session:
        """Creates a session, under a new id or a derived one.

        Args:
            data: its first content.
            subject: the user that it belongs to, up to 255 bytes.
            session_id: an id from `derive_id`. Never one that came from outside.

        Raises:
            SessionConflict: there is a session of this id; nothing was written.
            SessionDataError, SessionTooLarge: the data cannot be stored.
        """
        return self._run(self._core.create(data or {}, subject, session_id))

    async def acreate(
        self, data: Mapping[str, Any] | None = None, *, subject: str | None = None, session_id: str | None = None
    ) -> Session:
        """`create` for async code."""
        return await self._arun(self._core.create(data or {}, subject, session_id))

    def derive_id(self, purpose: str, secret: str) -> str:
        """Returns the id for a secret of the application. No I/O.

        It is for `create` and `read`, and the same for the same purpose and secret in every process. The store keeps
        neither. The secret needs at least 120 random bits, because it is enough to derive the id.
        """
        return self._core.derive_id(purpose, secret)

    def read(self, session_id: str, *, touch: bool = False) -> Session | None:
        """Returns the session, `None` for an unknown, expired or forged id.

        Args:
            session_id: the id; nothing is assumed about it.
            touch: record a use, in the same round trip.

        Raises:
            SessionDataError: the session exists and cannot be read.
            SessionSealError: the session exists and no key decrypts it.
        """
        return self._run(self._core.read(session_id, touch=touch))

    async def aread(self, session_id: str, *, touch: bool = False) -> Session | None:
        """`read` for async code."""
        return await self._arun(self._core.read(session_id, touch=touch))

    def save(self, session: Session, data: Mapping[str, Any]) -> Session:
        """Replaces the content of a session that was not saved in the meantime.

        It counts as a use.

        Returns the session at its new version, the base for the next save.

        Raises:
            SessionConflict: it was saved in the meantime; nothing was written.
            SessionNotFound: it is gone. A save never brings a deleted session back.
            SessionDataError, SessionTooLarge: the data cannot be stored.
        """
        return self._run(self._core.save(session, data))

    async def asave(self, session: Session, data: Mapping[str, Any]) -> Session:
        """`save` for async code."""
        return await self._arun(self._core.save(session, data))

    def touch(self, session_id: str) -> datetime:
        """Records a use; returns when the session expires. The version stays.

        Raises:
            SessionNotFound: it is gone.
        """
        return at(self._run(self._core.touch(session_id)).expires)

    async def atouch(self, session_id: str) -> datetime:
        """`touch` for async code."""
        return at((await self._arun(self._core.touch(session_id))).expires)

    def delete(self, session_id: str) -> None:
        """Ends a session, if there is one. No concurrent save restores it."""
        self._run(self._core.delete(session_id))

    async def adelete(self, session_id: str) -> None:
        """`delete` for async code."""
        await self._arun(self._core.delete(session_id))

    def rotate(
        self, session: Session, data: Mapping[str, Any] | None = None, *, subject: str | Keep | None = KEEP
    ) -> Session:
        """Gives the session a new id, and optionally new content and subject.

        It is one atomic step. The old id opens nothing afterwards; the absolute end stays. Use it when a user logs in
        or gains rights.

        Raises:
            SessionConflict, SessionNotFound, SessionDataError, SessionTooLarge: as for `save`.
        """
        return self._run(self._core.rotate(session, data, subject))

    async def arotate(
        self, session: Session, data: Mapping[str, Any] | None = None, *, subject: str | Keep | None = KEEP
    ) -> Session:
        """`rotate` for async code."""
        return await self._arun(self._core.rotate(session, data, subject))

    def put_once(self, purpose: str, data: Mapping[str, Any], *, ttl: float) -> str:
        """Stores a take-once value for `ttl` seconds; returns its token."""
        return self._run(self._core.put_once(purpose, data, ttl))

    async def aput_once(self, purpose: str, data: Mapping[str, Any], *, ttl: float) -> str:
        """`put_once` for async code."""
        return await self._arun(self._core.put_once(purpose, data, ttl))

    def take_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        """Returns a take-once value to the first caller, `None` to all others.

        It is `None` too if the value has expired, is unknown, or has another purpose.
        """
        return self._run(self._core.take_once(purpose, token))

    async def atake_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        """`take_once` for async code."""
        return await self._arun(self._core.take_once(purpose, token))

    def list(self, *, subject: str | None = None) -> Iterator[SessionInfo]:
        """Yields the live sessions, all or of one subject, in no order."""
        seen: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            page, cursor = self._run(self._core.page(subject, cursor))
            yield from _unseen(page, seen)

    async def alist(self, *, subject: str | None = None) -> AsyncIterator[SessionInfo]:
        """`list` for async code."""
        seen: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            page, cursor = await self._arun(self._core.page(subject, cursor))
            for info in _unseen(page, seen):
                yield info

    def count(self, *, subject: str | None = None) -> int:
        """Returns the number of live sessions, all or of one subject."""
        return self._run(self._core.count(subject))

    async def acount(self, *, subject: str | None = None) -> int:
        """`count` for async code."""
        return await self._arun(self._core.count(subject))

    def revoke(self, handle: str) -> None:
        """Ends the session with this handle, if there is one."""
        self._run(self._core.revoke(handle))

    async def arevoke(self, handle: str) -> None:
        """`revoke` for async code."""
        await self._arun(self._core.revoke(handle))

    def delete_subject(self, subject: str) -> int:
        """Ends all sessions of a subject; returns how many were found."""
        return self._run(self._core.delete_subject(subject))

    async def adelete_subject(self, subject: str) -> int:
        """`delete_subject` for async code."""
        return await self._arun(self._core.delete_subject(subject))

    def ping(self) -> None:
        """Raises `SessionStoreUnavailable` unless the store answers."""
        self._run(self._core.ping())

    async def aping(self) -> None:
        """`ping` for async code."""
        await self._arun(self._core.ping())

    def advice(self) -> str:
        """Returns how the store may lose data; empty if that is not known."""
        found: str = getattr(self._backend, "advice", str)()
        return found

    def close(self) -> None:
        """Releases connections and files of the blocking methods."""
        self._backend.close()

    async def aclose(self) -> None:
        """Releases the resources of the running event loop, and those of `close`."""
        await self._backend.aclose()

    def __enter__(self) -> Self:
        """Returns the store; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Calls `close`."""
        self.close()

    async def __aenter__(self) -> Self:
        """Returns the store; the end of the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Calls `aclose`."""
        await self.aclose()

    def _run(self, operation: Operation[T]) -> T:
        with self._observed(operation) as finish:
            return finish(None if operation.command is None else self._backend.execute(operation.command))

    async def _arun(self, operation: Operation[T]) -> T:
        with self._observed(operation) as finish:
            return finish(None if operation.command is None else await self._backend.aexecute(operation.command))

    @contextlib.contextmanager
    def _observed(self, operation: Operation[T]) -> Iterator[Callable[[Any], T]]:
        """Yields the function that finishes an operation; reports it at the end."""
        started_ns, started, outcome = time.time_ns(), time.perf_counter(), "ok"

        def finish(response: Any) -> T:
            nonlocal outcome
            if operation.command is not None:
                self._outage.seen(None)
            value = operation.finish(response)
            if value is None and operation.name in ("read", "take_once"):
                outcome = "missing"
            return value

        try:
            yield finish
        except BaseException as error:
            outcome = next((name for kind, name in OUTCOMES.items() if isinstance(error, kind)), "error")
            if isinstance(error, SessionStoreUnavailable):
                error.operation = operation.name
                log = self._outage.full if isinstance(error, SessionStoreFull) else self._outage.seen
                log(error.reason)
            raise
        finally:
            seconds = time.perf_counter() - started
            notify(self._observers, OperationEvent(self._backend.name, operation.name, outcome, started_ns, seconds))


BackedStore = SessionStore
"""The former name of the class for stores over a `Backend`."""


def _unseen(page: Iterable[SessionInfo], seen: set[str]) -> Iterator[SessionInfo]:
    for info in page:
        if info.handle not in seen:
            seen.add(info.handle)
            yield info
