# ruff: noqa: D102 - the operations are named after the methods of SessionStore and documented there
"""The rules of sessions without any I/O.

Each method prepares one operation: the command for the backend, and the function that
converts the backend's result into the caller's. store.py executes operations, blocking or
not; nothing here knows which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fluxlit_sessions.codec import Codec
from fluxlit_sessions.commands import (
    Command,
    Conflict,
    Count,
    Create,
    Delete,
    DeleteSubject,
    List,
    Move,
    Ping,
    Read,
    Replace,
    Row,
    Rows,
    Take,
    Touch,
)
from fluxlit_sessions.encryption import KeyRing, PlainSealer, Sealer
from fluxlit_sessions.errors import SessionConflict, SessionDataError, SessionNotFound, SessionTooLarge
from fluxlit_sessions.ids import Ids, Key, Kind, Minted, key_of_handle
from fluxlit_sessions.lifetimes import Lifetimes
from fluxlit_sessions.options import StoreOptions, check_namespace
from fluxlit_sessions.record import NO_TAG, Header, Record, new_token
from fluxlit_sessions.session import KEEP, Keep, Session, SessionInfo, at

T = TypeVar("T")

DEFAULT_IDLE = 12 * 3600.0
DEFAULT_ABSOLUTE = 7 * 86400.0
DEFAULT_MAX_BYTES = 256 * 1024
MAX_SUBJECT = 255
PAGE = 500
TAKE_GRACE = 60_000
"""Milliseconds in which a client that missed the response can take a value again; no budget is longer."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A prepared operation on a store.

    Attributes:
        name: for metrics.
        command: for the backend; `None` when none is needed.
        finish: converts the backend's result into the caller's, or raises.
    """

    name: str
    command: Command[Any] | None
    finish: Callable[[Any], T]


class Core:
    """Prepares operations for one namespace of a store."""

    def __init__(self, options: StoreOptions) -> None:
        self.namespace = check_namespace(options.get("namespace", "default"))
        self._ids = Ids(self.namespace)
        self._codec = Codec(options.get("types", ()))
        self._sealer: Sealer = KeyRing(options["keys"]) if "keys" in options else PlainSealer()
        self._vital = options.get("vital", False)
        self._max_bytes = options.get("max_bytes", DEFAULT_MAX_BYTES)
        self._lifetimes = Lifetimes.of_seconds(
            options.get("idle_ttl", DEFAULT_IDLE),
            options.get("absolute_ttl", DEFAULT_ABSOLUTE),
            options.get("touch_interval"),
        )

    # Sessions

    def create(self, data: Mapping[str, Any], subject: str | None, session_id: str | None = None) -> Operation[Session]:
        minted = self._ids.mint() if session_id is None else self._known(session_id)
        plain = self._encode(data)
        command = Create(
            minted.key,
            new_token(),
            self._lifetimes,
            self._seal(plain, minted, 1, subject),
            self._tag(subject),
            self._seal_subject(subject, minted.key),
            self._vital,
        )

        def finish(answer: Header | Conflict) -> Session:
            return self._session(minted, plain, self._applied(answer, minted.key, 0), subject)

        return Operation("create", command, finish)

    def derive_id(self, purpose: str, secret: str) -> str:
        return self._ids.derive(purpose, secret).text

    def read(self, session_id: str, *, touch: bool) -> Operation[Session | None]:
        minted = self._ids.parse(session_id)
        if minted is None:
            return Operation("read", None, lambda _: None)
        return Operation(
            "read",
            Read(minted.key, self._lifetimes if touch else None),
            lambda record: None if record is None else self._opened(minted, record),
        )

    def save(self, session: Session, data: Mapping[str, Any]) -> Operation[Session]:
        minted = self._known(session.id)
        plain = self._encode(data)
        envelope = self._seal(plain, minted, session.version + 1, session.subject)
        command = Replace(minted.key, session.version, new_token(), self._lifetimes, envelope, self._vital)

        def finish(answer: Header | Conflict | None) -> Session:
            header = self._applied(answer, minted.key, session.version)
            return self._session(minted, plain, header, session.subject)

        return Operation("save", command, finish)

    def rotate(
        self, session: Session, data: Mapping[str, Any] | None, subject: str | Keep | None
    ) -> Operation[Session]:
        old = self._known(session.id)
        new = self._ids.mint(shard=old.key.shard)
        owner = session.subject if subject is KEEP else subject
        plain = self._encode(session.data if data is None else data)
        command = Move(
            old.key,
            new.key,
            session.version,
            new_token(),
            self._lifetimes,
            self._seal(plain, new, session.version + 1, owner),
            self._tag(session.subject),
            self._tag(owner),
            self._seal_subject(owner, new.key),
        )

        def finish(answer: Header | Conflict | None) -> Session:
            return self._session(new, plain, self._applied(answer, old.key, session.version), owner)

        return Operation("rotate", command, finish)

    def touch(self, session_id: str) -> Operation[Header]:
        minted = self._known(session_id)

        def finish(header: Header | None) -> Header:
            if header is None:
                raise SessionNotFound(minted.key.handle)
            return header

        return Operation("touch", Touch(minted.key, self._lifetimes), finish)

    def delete(self, session_id: str) -> Operation[None]:
        minted = self._ids.parse(session_id)
        return Operation("delete", Delete(minted.key) if minted else None, lambda _: None)

    # Values that can be taken once

    def put_once(self, purpose: str, data: Mapping[str, Any], ttl: float) -> Operation[str]:
        minted = self._ids.mint(Kind.ONCE, purpose)
        lifetime = Lifetimes(*(max(1, int(ttl * 1000)),) * 2)
        envelope = self._seal(self._encode(data), minted, 1)
        command = Create(minted.key, new_token(), lifetime, envelope, NO_TAG, b"")
        return Operation("put_once", command, lambda _: minted.text)

    def take_once(self, purpose: str, token: str) -> Operation[dict[str, Any] | None]:
        minted = self._ids.parse(token, Kind.ONCE, purpose)
        if minted is None:
            return Operation("take_once", None, lambda _: None)

        def finish(answer: Record | Conflict | None) -> dict[str, Any] | None:
            return self._codec.decode(self._open(answer.envelope, minted, 1)) if isinstance(answer, Record) else None

        return Operation("take_once", Take(minted.key, new_token(), TAKE_GRACE), finish)

    # For operators

    def page(self, subject: str | None, cursor: str) -> Operation[tuple[list[SessionInfo], str | None]]:
        def finish(rows: Rows) -> tuple[list[SessionInfo], str | None]:
            return [self._info(row) for row in rows.rows], rows.cursor

        return Operation("list", List(self._tags(subject), cursor, PAGE), finish)

    def count(self, subject: str | None) -> Operation[int]:
        return Operation("count", Count(self._tags(subject)), lambda found: found)

    def revoke(self, handle: str) -> Operation[None]:
        key = key_of_handle(handle)
        return Operation("revoke", Delete(key) if key else None, lambda _: None)

    def delete_subject(self, subject: str) -> Operation[int]:
        return Operation("delete_subject", DeleteSubject(self._sealer.tags(subject)), lambda found: found)

    def ping(self) -> Operation[None]:
        return Operation("ping", Ping(), lambda _: None)

    # Parts

    def _known(self, session_id: str) -> Minted:
        minted = self._ids.parse(session_id)
        if minted is None:
            raise SessionNotFound(None)
        return minted

    def _applied(self, answer: Header | Conflict | None, key: Key, expected: int) -> Header:
        if answer is None:
            raise SessionNotFound(key.handle)
        if isinstance(answer, Conflict):
            raise SessionConflict(key.handle, expected=expected, found=answer.found)
        return answer

    def _encode(self, data: Mapping[str, Any]) -> bytes:
        plain = self._codec.encode(data)
        if len(plain) > self._max_bytes:
            raise SessionTooLarge(len(plain), self._max_bytes, _largest(plain))
        return plain

    def _seal(self, plain: bytes, minted: Minted, version: int, subject: str | None = None) -> bytes:
        return self._sealer.seal(plain, secret=minted.secret, context=_context(minted.key, version, subject))

    def _open(self, envelope: bytes, minted: Minted, version: int, subject: str | None = None) -> bytes:
        return self._sealer.open(envelope, secret=minted.secret, context=_context(minted.key, version, subject))

    def _tag(self, subject: str | None) -> bytes:
        return NO_TAG if subject is None else self._sealer.tags(subject)[0]

    def _tags(self, subject: str | None) -> tuple[bytes, ...] | None:
        return None if subject is None else self._sealer.tags(subject)

    def _seal_subject(self, subject: str | None, key: Key) -> bytes:
        if subject is None:
            return b""
        name = subject.encode()
        if not 0 < len(name) <= MAX_SUBJECT:
            raise SessionDataError(f"a subject has 1 to {MAX_SUBJECT} bytes, this one has {len(name)}")
        return self._sealer.seal(name, secret=key.digest, context=b"subject")

    def _open_subject(self, sealed: bytes, key: Key) -> str | None:
        # A listing has no session id, so the name is sealed with the key of the record instead.
        return self._sealer.open(sealed, secret=key.digest, context=b"subject").decode() if sealed else None

    def _opened(self, minted: Minted, record: Record) -> Session:
        subject = self._open_subject(record.subject, minted.key)
        plain = self._open(record.envelope, minted, record.header.version, subject)
        return self._session(minted, plain, record.header, subject)

    def _session(self, minted: Minted, plain: bytes, header: Header, subject: str | None) -> Session:
        return Session(
            id=minted.text,
            handle=minted.key.handle,
            data=self._codec.decode(plain),
            version=header.version,
            subject=subject,
            created_at=at(header.created),
            expires_at=at(header.expires),
            absolute_expires_at=at(header.absolute),
        )

    def _info(self, row: Row) -> SessionInfo:
        # One record under a former key, or one that another program wrote, must not hide all others from an operator.
        try:
            subject, readable = self._open_subject(row.subject, row.key), True
        except (SessionDataError, ValueError):
            subject, readable = None, False
        return SessionInfo(
            handle=row.key.handle,
            subject=subject,
            version=row.header.version,
            size=row.size,
            created_at=at(row.header.created),
            touched_at=at(row.header.touched),
            expires_at=at(row.header.expires),
            readable=readable,
        )


def _context(key: Key, version: int, subject: str | None) -> bytes:
    owner = b"" if subject is None else b"=" + subject.encode()
    return b"|".join((key.kind.value.encode(), b"%d" % key.shard, key.digest, b"%d" % version, owner))


def _largest(plain: bytes) -> str:
    sizes = {key: len(json.dumps(value)) for key, value in json.loads(plain).items()}
    return ", ".join(f"{key!r} {sizes[key]}" for key in sorted(sizes, key=lambda key: -sizes[key])[:3])
