"""Which session a tab has, and how its changes get into the store.

The rules, in the order in which they apply at the start of a run:

1. The id in the URL counts if the store knows it and it is this visitor's. Else the session that this tab had.
   Else there is none; the first write creates one under an id that the store mints. No other id is ever used.
2. A session of a user opens for that user only. A session of nobody becomes that of the user who comes with it
   signed in, under a new id, so that whoever knew the old one has nothing. So does a session whose user comes back
   with other roles: a change of privilege makes the old id dead (OWASP ASVS 5.0, 7.2.4).
3. A tab whose session has gone (ended, expired, signed in elsewhere) is told so, and loses what came out of it.
4. A store that cannot be reached is not an empty one. A tab that knows its session goes on with what it knows and
   keeps its changes until they can be saved; a tab that does not, waits.
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
"""How long a save goes on while others keep saving the same session."""

RIGHTS = "$rights"
"""Key in a session's data: mark of the roles that its user had last. No page sees it."""

ENDED = "Your session has ended, or went on elsewhere when you signed in. What you do from now on belongs to a new one."


class Binding:
    """A tab and its session.

    Args:
        store: where sessions are.
        visitor: the tab.
        resolve: solves conflicts between tabs.
        claim: let a signed-in user take over a session of nobody.

    Attributes:
        tab: what the tab knows; shared with the runs before and after this one.
        outage: why the store could not be used in this run.
        gone: what says that the session ended during this run; nothing more is saved in it.
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
        """There is something to go on with: a session, or certainty that this visitor has none."""
        if self.outage is None or isinstance(self.outage, SessionStoreFull):  # a full store still finds sessions
            return True
        return self.tab.session is not None or self._visitor.id_in_url is None

    def open(self) -> tuple[str, ...]:
        """Finds the session of this tab and brings it up to date; returns the keys of conflicts.

        A store that cannot be reached is noted in `outage`.
        """
        return self._noting_outage(self._open)

    def save(self) -> tuple[str, ...]:
        """Saves what has changed in this tab; returns the keys of conflicts, whose values are theirs now.

        A store that cannot be reached is noted in `outage`; the next run saves then.

        Raises:
            SessionNotFound: the session is gone; nothing was saved, nor will be.
            SessionConflict: others save all the time.
            SessionDataError, SessionTooLarge: the data cannot be stored.
        """
        if self.gone is not None:
            self.tab.data = {}
            raise self.gone
        if self.outage is not None:
            return ()
        return self._noting_outage(self._save)

    def change(self, key: str, function: Callable[[Any], Any], default: Any) -> Any:
        """Replaces the value of a key by what a function makes of it, again until nobody else came in between.

        Raises:
            SessionNotFound, SessionConflict, SessionDataError, SessionTooLarge: as for `save`.
        """
        while True:
            value = function(copy.deepcopy(self.tab.data.get(key, default)))
            self.tab.data[key] = value
            if key not in self.save():
                return value

    def rotate(self, subject: str | Keep | None = KEEP) -> tuple[str, ...]:
        """Gives the session a new id, and saves with it what has changed; returns the keys of conflicts.

        Raises:
            SessionStoreUnavailable: the old id may live on.
            SessionNotFound, SessionDataError, SessionTooLarge: as for `save`.
        """
        if self.tab.session is None:
            return self.save()
        return self._write(lambda session, data: self._store.rotate(session, data, subject=subject))

    def end(self) -> None:
        """Ends the session; the tab has none then.

        Raises:
            SessionStoreUnavailable: the session may live on.
        """
        if self.tab.session is not None:
            self._store.delete(self.tab.session.id)
        self._forget()
        self._visitor.hide_id()

    def show(self) -> None:
        """Puts the id into the URL: navigation takes it out."""
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
            return self._save()  # what an outage kept from becoming a session
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
                logger.info("session %s belongs to somebody else and was not opened", found.handle)
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
        """The data with the mark of this visitor's rights, where they are known."""
        rights, marked = self._visitor.rights, dict(data)
        if rights is not None:
            marked.pop(RIGHTS, None)
        return marked | ({RIGHTS: rights} if rights else {})

    def _take(self, had: Session, found: Session) -> tuple[str, ...]:
        """Brings what others saved into the data of this tab."""
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
        """Saves for the first time. If the answer gets lost, the next attempt finds what this one has left."""
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
            tab.session = found  # nobody but this tab has ever known the id: what it holds is what we have sent
            self.show()
            return self._save()
        tab.unborn = None
        self.show()
        return ()

    def _write(self, write: Callable[[Session, Mapping[str, Any]], Session]) -> tuple[str, ...]:
        """Writes on top of whatever others have saved in the meantime."""
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
                # Those who collided must not do so again in step. One who finds nothing here is told by the next try.
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
