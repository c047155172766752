"""The session of a browser tab, and how its changes reach the store.

The rules, in the order in which they apply at the start of a run:

1. The id in the URL counts if the store knows it and the session is this visitor's. Otherwise the tab keeps the session
   that it had. If it had none, the first write creates one under an id that the store mints. No other id is ever used.
2. A session of a user opens for that user only. An anonymous session becomes that of the user who signs in with it,
   under a new id: the old id opens nothing afterwards. A user with changed roles gets a new id in the same way, because
   a change of privilege ends the old id (OWASP ASVS 5.0, 7.2.4).
3. A tab with a session that is gone (ended, expired, signed in elsewhere) shows a notice and drops the session's data.
4. An unreachable store is not an empty one. A tab that knows its session continues and keeps its changes until they can
   be saved; a tab that does not know it waits.
"""

from __future__ import annotations

import copy
import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from fluxlit_sessions.errors import SessionConflict, SessionNotFound, SessionStoreFull, SessionStoreUnavailable
from fluxlit_sessions.merge import Resolve, changed, merge
from fluxlit_sessions.session import KEEP, Keep, Session
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.visitor import TabState, Visitor

logger = logging.getLogger("fluxlit_sessions")

MERGE_S = 5.0
"""Seconds for which a save is retried while other tabs keep saving."""

RIGHTS = "$rights"
"""Key of the mark of the user's last roles. Pages do not see it."""

ENDED = "Your session has ended, or went on elsewhere when you signed in. What you do from now on belongs to a new one."


class Binding:
    """A browser tab and its session.

    Args:
        store: where sessions are.
        visitor: the tab.
        resolve: solves conflicts between tabs.
        claim: let a signed-in user take over an anonymous session.

    Attributes:
        tab: state of the tab, shared by all its runs.
        outage: why the store could not be used in this run.
        gone: set if the session ended during this run; nothing is saved after that.
    """

    def __init__(self, store: SessionStore, visitor: Visitor, resolve: Resolve | None, *, claim: bool) -> None:
        self._store = store
        self._visitor = visitor
        self._resolve = resolve
        self._claim = claim
        self.tab: TabState = visitor.tab
        self.outage: SessionStoreUnavailable | None = None
        self.gone: SessionNotFound | None = None
        self._claimed: str | None = None

    @property
    def known(self) -> bool:
        """Whether the run knows the session, or that there is none."""
        if self.outage is None or isinstance(self.outage, SessionStoreFull):  # a full store still finds sessions
            return True
        return self.tab.session is not None or self._visitor.id_in_url is None

    def open(self) -> tuple[str, ...]:
        """Finds and updates the session; returns the keys in conflict.

        An unreachable store sets `outage`.
        """
        return self._noting_outage(self._open)

    def save(self) -> tuple[str, ...]:
        """Saves the changes of this tab; returns the keys in conflict.

        Keys in conflict have the values of the other tab afterwards. An unreachable store sets `outage`; the next run
        saves then.

        Raises:
            SessionNotFound: the session is gone; nothing was saved, nor will be.
            SessionConflict: other tabs saved all the time.
            SessionDataError, SessionTooLarge: the data cannot be stored.
        """
        if self.gone is not None:
            self.tab.data = {}
            raise self.gone
        if self.outage is not None:
            return ()
        return self._noting_outage(self._save)

    def change(self, key: str, function: Callable[[Any], Any], default: Any) -> Any:
        """Replaces a value by a function of it, until no write interferes.

        Raises:
            SessionNotFound, SessionConflict, SessionDataError, SessionTooLarge: as for `save`.
        """
        while True:
            value = function(copy.deepcopy(self.tab.data.get(key, default)))
            self.tab.data[key] = value
            if key not in self.save():
                return value

    def rotate(self, subject: str | Keep | None = KEEP) -> tuple[str, ...]:
        """Saves under a new id; returns the keys in conflict.

        Raises:
            SessionStoreUnavailable: the old id may live on.
            SessionNotFound, SessionDataError, SessionTooLarge: as for `save`.
        """
        if self.tab.session is None:
            return self.save()
        return self._write(lambda session, data: self._store.rotate(session, data, subject=subject))

    def end(self) -> None:
        """Ends the session.

        Raises:
            SessionStoreUnavailable: the session may live on.
        """
        if self.tab.session is not None:
            self._store.delete(self.tab.session.id)
        self._forget()
        self._visitor.hide_id()

    def show(self) -> None:
        """Puts the id into the URL again: navigation removes it."""
        if self.tab.session is not None:
            self._visitor.show_id(self.tab.session.id)

    def _noting_outage(self, operation: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        try:
            return operation()
        except SessionStoreUnavailable as error:
            self.outage = error
            self.tab.doubt |= error.may_have_applied
            return ()

    def _open(self) -> tuple[str, ...]:
        tab, had = self.tab, self.tab.session
        found = self._find()
        if found is None:
            if had is not None:
                self._forget()
                tab.notice(ENDED)
            return self._save()  # changes that an outage kept from becoming a session
        conflicts: tuple[str, ...] = ()
        if had is None or had.id not in (found.id, self._claimed):
            tab.data = ({} if had else tab.data) | copy.deepcopy(found.data)
            tab.revision += 1
        elif found.version != had.version:
            conflicts = self._take(had, found)
        tab.session = found
        return (*conflicts, *self._save())

    def _find(self) -> Session | None:
        had = self.tab.session
        for session_id in dict.fromkeys((self._visitor.id_in_url, had.id if had else None)):
            found = self._admit(session_id) if session_id else None
            if found is not None:
                return found
        return None

    def _admit(self, session_id: str) -> Session | None:
        user = self._visitor.user
        while True:
            found = self._store.read(session_id, touch=True)
            if found is None or (found.subject == user and (user is None or self._marked(found.data) == found.data)):
                return found
            if found.subject not in (None, user) or (found.subject is None and not self._claim):
                logger.info("session %s belongs to another user and was not opened", found.handle)
                return None
            try:
                claimed = self._store.rotate(found, self._marked(found.data), subject=user)
            except SessionConflict:
                continue
            except SessionNotFound:
                return None
            self._claimed = session_id
            return claimed

    def _marked(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the data with the mark of this visitor's roles, if known."""
        rights, marked = self._visitor.rights, dict(data)
        if rights is not None:
            marked.pop(RIGHTS, None)
        return marked | ({RIGHTS: rights} if rights else {})

    def _take(self, had: Session, found: Session) -> tuple[str, ...]:
        """Merges what other tabs saved into the data of this tab."""
        merged = merge(had.data, self.tab.data, copy.deepcopy(found.data), self._resolve, doubt=self.tab.doubt)
        self.tab.doubt = False
        self.tab.data = merged.data
        self.tab.revision += 1
        return merged.conflicts

    def _save(self) -> tuple[str, ...]:
        tab = self.tab
        before = tab.session.data if tab.session else {}
        if not changed(before, tab.data):
            return ()
        if tab.session is None:
            return self._create()
        return self._write(self._store.save)

    def _create(self) -> tuple[str, ...]:
        """Saves for the first time; finds the result of an earlier attempt."""
        tab = self.tab
        tab.data = self._marked(tab.data)
        if tab.unborn is None:
            tab.unborn = self._store.derive_id("url-session", secrets.token_urlsafe(32))
        try:
            tab.session = self._store.create(tab.data, subject=self._visitor.user, session_id=tab.unborn)
        except SessionConflict:
            found = self._store.read(tab.unborn)
            tab.unborn = None
            if found is None or found.subject != self._visitor.user:
                return self._create()
            tab.session = found  # only this tab has known the id, so its content is what this tab has sent
            self.show()
            return self._save()
        tab.unborn = None
        self.show()
        return ()

    def _write(self, write: Callable[[Session, Mapping[str, Any]], Session]) -> tuple[str, ...]:
        """Writes on top of what other tabs have saved in the meantime."""
        tab = self.tab
        conflicts: list[str] = []
        deadline = time.monotonic() + MERGE_S
        while True:
            assert tab.session is not None
            try:
                tab.session = write(tab.session, tab.data)
                tab.doubt = False
            except SessionConflict:
                if time.monotonic() > deadline:
                    raise
                found = self._store.read(tab.session.id)
                if found is not None:
                    conflicts += self._take(tab.session, found)
                    tab.session = found
                # Random, so that tabs that collided do not collide again. A session that is gone shows in the next try.
                time.sleep(random.uniform(0, 0.005))  # noqa: S311
            except SessionNotFound as error:
                self.gone = error
                self._forget()
                tab.notice(ENDED)
                raise
            else:
                self.show()
                return tuple(conflicts)

    def _forget(self) -> None:
        self.tab.session = None
        self.tab.data = {}
        self.tab.ended = True
        self.tab.revision += 1
