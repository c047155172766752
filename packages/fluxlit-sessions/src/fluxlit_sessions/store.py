"""`SessionStore`: what all stores have in common, over a `Backend` that executes commands.

Each operation exists twice: `read` blocks and is for pages, `aread` is awaited and is
for ASGI code. Both do the same on the same data. What an operation means is written
once, in core.py; what it does to stored records once, in transitions.py and the Lua
scripts; here are only the two ways of waiting.
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
        backend: executes commands. Other packages write one and get the rest.
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
        """Which store this is, for people; holds no credentials."""
        return self._backend.location

    @property
    def available(self) -> bool:
        """Whether the last operation reached the store. No I/O."""
        return not self._outage.down

    def add_observer(self, observer: Observer) -> None:
        """Has one more observer called after every operation, beside that of the options."""
        self._observers = (*self._observers, observer)

    def with_idle_ttl(self, seconds: float) -> SessionStore:
        """Returns the same store, over the same connections, in which unused sessions end sooner.

        The time counts from when a session was last created, saved or used through it.

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
        """Starts a session, under a new id unless told which.

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
        """Returns the id that stands for a secret of the application's own, for `create` and `read`. No I/O.

        It is the same for the same purpose and secret in every process. The store keeps neither; only who knows the
        secret can make the id again, so the secret needs at least 120 random bits.
        """
        return self._core.derive_id(purpose, secret)

    def read(self, session_id: str, *, touch: bool = False) -> Session | None:
        """Returns the session, `None` if the id is unknown, expired, deleted or forged.

        Args:
            session_id: the id, from wherever; nothing is assumed about it.
            touch: count this as a use, in the same round trip.

        Raises:
            SessionDataError: the session exists and cannot be read.
            SessionSealError: the session exists and no key opens it.
        """
        return self._run(self._core.read(session_id, touch=touch))

    async def aread(self, session_id: str, *, touch: bool = False) -> Session | None:
        """`read` for async code."""
        return await self._arun(self._core.read(session_id, touch=touch))

    def save(self, session: Session, data: Mapping[str, Any]) -> Session:
        """Replaces the content if nobody saved since `session` was read, and counts as a use.

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
        """Counts a use and returns when the session now expires. It does not change the version.

        Raises:
            SessionNotFound: it is gone.
        """
        return at(self._run(self._core.touch(session_id)).expires)

    async def atouch(self, session_id: str) -> datetime:
        """`touch` for async code."""
        return at((await self._arun(self._core.touch(session_id))).expires)

    def delete(self, session_id: str) -> None:
        """Ends a session, if there is one. A save that races it does not bring it back."""
        self._run(self._core.delete(session_id))

    async def adelete(self, session_id: str) -> None:
        """`delete` for async code."""
        await self._arun(self._core.delete(session_id))

    def rotate(
        self, session: Session, data: Mapping[str, Any] | None = None, *, subject: str | Keep | None = KEEP
    ) -> Session:
        """Gives the session a new id, and optionally other content and another subject, in one step.

        The old id is dead at once. The absolute end stays. Do this when a user logs in or gains rights.

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
        """Stores a value that can be taken once within `ttl` seconds; returns the token that takes it."""
        return self._run(self._core.put_once(purpose, data, ttl))

    async def aput_once(self, purpose: str, data: Mapping[str, Any], *, ttl: float) -> str:
        """`put_once` for async code."""
        return await self._arun(self._core.put_once(purpose, data, ttl))

    def take_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        """Returns the value to one caller and never again; `None` if it is taken, expired, unknown or not for this."""
        return self._run(self._core.take_once(purpose, token))

    async def atake_once(self, purpose: str, token: str) -> dict[str, Any] | None:
        """`take_once` for async code."""
        return await self._arun(self._core.take_once(purpose, token))

    def list(self, *, subject: str | None = None) -> Iterator[SessionInfo]:
        """Yields the live sessions, all or of one subject, page by page and in no order."""
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
        """Ends the session that a listing named, if there is one."""
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

    def close(self) -> None:
        """Releases connections and files of the blocking methods."""
        self._backend.close()

    async def aclose(self) -> None:
        """Releases everything: what the running event loop uses, and what `close` releases."""
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
        """Yields what turns the backend's response into the caller's; reports the operation at the end."""
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
