"""`Copies`: the copies of all live sessions of one process."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

from fluxlit_sessions.codec import Codec
from fluxlit_sessions.copies.budget import Budget, Limits
from fluxlit_sessions.copies.content import Packer
from fluxlit_sessions.copies.copy import Copy, Found, user_mark
from fluxlit_sessions.copies.writer import Listener, Writer
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.visitor import subject_of

PURPOSE = "copy of a page's session"
THREADS = 2
DEFAULT_LIMITS = Limits()


class Copies:
    """Keeps copies of live sessions in a store, and finds those that other processes have left.

    A session is known by its own id, a secret that the server has minted. The store sees a digest of it. Nothing is
    ever created for an id that came from outside: `look` only finds, and `begin` is for sessions that are new.

    Copies of sessions without a user live shorter and have a budget, so that visitors cannot fill the store.

    Args:
        store: shared with the other processes.
        listener: hears what becomes of copies.
        limits: of copies of sessions without a user, for this process.
    """

    def __init__(self, store: SessionStore, listener: Listener, limits: Limits = DEFAULT_LIMITS) -> None:
        self._store = store
        shorter = getattr(store, "with_idle_ttl", None)  # a store of another package may not have it
        self._anonymous_store = shorter(limits.ttl) if shorter else store
        self._budget = Budget(limits)
        self._packer = Packer(Codec())
        self._live: weakref.WeakSet[Copy] = weakref.WeakSet()
        self._writer = Writer(listener, lambda: list(self._live), THREADS)

    @property
    def down(self) -> bool:
        """The store could not be reached when something was last to be written."""
        return self._writer.down

    async def look(self, name: str) -> Found | None:
        """Returns the copy of the session with this id, which may come from anywhere; `None` if there is none.

        Raises:
            SessionStoreUnavailable: nobody knows.
            SessionDataError: there is one, and it cannot be read.
        """
        session = await self._store.aread(self._id(name))
        return None if session is None else Found.of(session)

    def begin(self, name: str, identity: Mapping[str, Any], address: str | None = None) -> Copy:
        """Returns a copy, still empty, for a session that is new.

        Args:
            name: the session's own id.
            identity: facts of its user, empty for nobody; only who has the same facts can go on with it.
            address: of the visitor, for the budget of sessions without a user; `None` if unknown.
        """
        own = (name, self._id(name), identity, self._packer)
        if subject_of(identity) is None:
            copy = Copy(*own, self._anonymous_store, self._budget, address)
        else:
            copy = Copy(*own, self._store)
        self._live.add(copy)
        return copy

    def take_over(
        self, name: str, found: Found, identity: Mapping[str, Any], address: str | None = None
    ) -> tuple[Copy, dict[str, Any]] | None:
        """Makes a found session that of this process. Arguments: see `look` and `begin`.

        Returns:
            The copy, to be submitted at once, and the content; `None` if the session is another user's.

        Raises:
            SessionDataError: the content cannot be read.
        """
        if found.session.data["user"] != user_mark(name, identity):
            return None
        content = self._packer.unpack(found.session.data["body"])
        copy = self.begin(name, identity, address)
        copy.adopt(found)
        return copy, content

    def submit(self, copy: Copy) -> None:
        """Has a copy written in the background."""
        self._writer.submit(copy)

    def close(self, timeout: float) -> bool:
        """Writes what is left, for at most `timeout` seconds; says whether all was written. Blocks."""
        return self._writer.close(timeout)

    async def aclose(self, timeout: float) -> bool:
        """Does the same without blocking the event loop, and closes the store."""
        done = await asyncio.to_thread(self._writer.close, timeout)
        await self._store.aclose()
        return done

    def _id(self, name: str) -> str:
        return self._store.derive_id(PURPOSE, name)
