"""The copy of one session, and how it is written.

A copy names its owner: a random mark of the process with the live session. A process that takes a session over writes
the copy again under its own mark, based on the version that it has read. The next write of the former owner finds
another version and another mark, so that process knows that its session is out of date. Two processes never both own a
session.

====================================  =============================================================================
a write finds                         then
====================================  =============================================================================
the version that it expects           it is done
another version, and our own mark     an earlier write of ours with a lost response; continue from there
a lower version than we have seen     the store lost writes (a restart without a disk); ours is the newest
another version, another mark         `Taken`: another process has the session
nothing                               the store has lost the copy, or it has expired; create it again
====================================  =============================================================================
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fluxlit_sessions.copies.budget import Budget
from fluxlit_sessions.copies.content import Packer
from fluxlit_sessions.errors import SessionConflict, SessionNotFound, SessionStoreFull, SessionTooLarge
from fluxlit_sessions.session import Session
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.visitor import subject_of

FORMAT = 1
ATTEMPTS = 8


class Taken(Exception):
    """Another process has the session now."""


@dataclass(frozen=True, slots=True)
class Found:
    """A copy as the store has it.

    Attributes:
        session: the store's record.
        owner: who wrote it.
        saved_at: when, aware, UTC.
    """

    session: Session
    owner: str
    saved_at: datetime

    @classmethod
    def of(cls, session: Session) -> Found | None:
        """Returns the copy in a record, `None` if its format is unknown."""
        data = session.data
        if data.get("copy") != FORMAT:
            return None
        return cls(session, data["owner"], datetime.fromtimestamp(data["at"], UTC))


class Copy:
    """The copy of one live session. Safe for threads.

    Args:
        name: the session's own id, a secret of at least 120 random bits; the store never sees it.
        session_id: the id in the store.
        identity: claims of the user; the copy opens for exactly these.
        packer: of the process.
        store: where the copy is kept.
        budget: of anonymous copies; `None` for a copy with a user.
        address: of the visitor, `None` if unknown.

    Attributes:
        owner: mark of this process and session.
        lost: another process has taken the session.
        attached: a browser is connected; the copy is kept alive.
    """

    def __init__(
        self,
        name: str,
        session_id: str,
        identity: Mapping[str, Any],
        packer: Packer,
        store: SessionStore,
        budget: Budget | None = None,
        address: str | None = None,
    ) -> None:
        self.session_id = session_id
        self.owner = secrets.token_hex(8)
        self.lost = False
        self.attached = True
        self._packer, self._store = packer, store
        self._budget, self._address = budget, address
        self._subject = subject_of(identity)
        self._user = user_mark(name, identity)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._session: Session | None = None
        self._body: str | None = None
        self._last = b""
        self._wanted = self._saved = 0
        self._when_saved: list[Callable[[], None]] = []
        self._saved_at = 0.0
        self._ended = False

    @property
    def dirty(self) -> bool:
        """Whether there are unwritten changes."""
        return self._wanted != self._saved

    def put(self, state: Mapping[str, Any], rest: Mapping[str, Any], lost: Mapping[str, str]) -> bool:
        """Records the content of the session; returns whether it has changed.

        No I/O.         The values are encoded before it returns and may change afterwards.

        Args:
            state: the application's values; see `Packer.pack`.
            rest: more groups, all of which can be stored.
            lost: keys that the caller has left out, and why.
        """
        return self._put(self._packer.pack(state, rest, lost))

    def call_when_saved(self, function: Callable[[], None]) -> bool:
        """Calls a function when all changes are written, in another thread.

        Returns false, and calls nothing, if there are none.
        """
        with self._lock:
            if not self.dirty:
                return False
            self._when_saved.append(function)
            return True

    def end(self) -> None:
        """Ends the session: the next write removes the copy, and none restores it."""
        with self._lock:
            self._ended = True
            self._wanted += 1

    def adopt(self, found: Found) -> None:
        """Takes a copy over: writes what was found under this owner's mark."""
        self._session = found.session
        self._put(found.session.data["body"])

    def write(self) -> None:
        """Writes the changes, if there are any. Blocks.

        An anonymous copy that does not fit into the budget or the store is not written; the next run tries again.

        Raises:
            Taken: another process has the session; nothing was written.
            SessionStoreUnavailable: it may be tried again.
        """
        with self._writing:
            with self._lock:
                body, wanted, ended = self._body, self._wanted, self._ended
                if wanted == self._saved or self.lost:
                    return
            if ended:
                self._store.delete(self.session_id)
                self._release()
            elif body is not None:
                self._keep(body)
            self._written(wanted)

    def keep_alive(self) -> None:
        """Records a use if half of the copy's lifetime is over. Blocks.

        Raises:
            SessionStoreUnavailable: it may be tried again.
        """
        with self._writing:
            session, now = self._session, time.time()
            if session is None or self.lost or self._ended or not self.attached:
                return
            expires = session.expires_at.timestamp()
            if now < (self._saved_at + expires) / 2:
                return
            try:
                self._store.touch(self.session_id)
                self._saved_at = now  # the next use is recorded after another half of the lifetime
                if self._budget is not None:
                    self._budget.extend(self.session_id)
            except SessionNotFound:
                self._last = b""  # the next run writes it again, whether or not it changes anything

    def _put(self, body: str) -> bool:
        digest = hashlib.blake2b(body.encode(), digest_size=16).digest()
        with self._lock:
            if digest == self._last or self._ended:
                return False
            self._last, self._body = digest, body
            self._wanted += 1
            return True

    def _written(self, wanted: int) -> None:
        with self._lock:
            self._saved = wanted
            if self.dirty:
                return
            self._body = None
            calls, self._when_saved = self._when_saved, []
        for call in calls:
            call()

    def _keep(self, body: str) -> None:
        """Writes the content, unless it is anonymous and does not fit."""
        if self._budget is not None and not self._budget.admit(self.session_id, self._address, len(body)):
            self._last = b""
            return
        try:
            self._session = self._save(body)
            self._saved_at = time.time()
        except SessionStoreFull:
            if self._budget is None:
                raise
            self._last = b""
            if self._session is None:
                self._release()

    def _release(self) -> None:
        if self._budget is not None:
            self._budget.release(self.session_id)

    def _save(self, body: str) -> Session:
        store, session = self._store, self._session
        for _ in range(ATTEMPTS):
            data = {"copy": FORMAT, "owner": self.owner, "user": self._user, "at": time.time(), "body": body}
            try:
                if session is None:
                    return store.create(data, subject=self._subject, session_id=self.session_id)
                return store.save(session, data)
            except SessionConflict:
                session = self._after_conflict(session)
            except SessionNotFound:
                session = None
            except SessionTooLarge as error:
                smaller = self._packer.shrink(body, error)
                if smaller is None:
                    raise
                body = smaller
        raise Taken

    def _after_conflict(self, session: Session | None) -> Session | None:
        found = self._store.read(self.session_id)
        ours = found is None or found.data.get("owner") == self.owner
        behind = found is not None and session is not None and found.version < session.version
        if not (ours or behind):
            self.lost = True
            self._release()
            raise Taken
        return found


def user_mark(name: str, identity: Mapping[str, Any]) -> str:
    """Returns the mark of a user in a copy, keyed with the session's own id."""
    facts = json.dumps(dict(identity), sort_keys=True, default=str)
    return hmac.digest(name.encode(), b"user\0" + facts.encode(), "sha256").hex()
