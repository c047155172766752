"""`Copies`: the copies of all live sessions of one process."""

from __future__ import annotations

import asyncio
import logging
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

logger = logging.getLogger("fluxlit_sessions")

PURPOSE = "copy of a page's session"
THREADS = 2
DEFAULT_LIMITS = Limits()


class Copies:
    """Keeps copies of live sessions, and finds those of other processes.

    A session is known by its own id, a secret that the server has minted. The store sees a digest of it. Nothing is
    ever created for an id from outside: `look` only finds, and `begin` is for new sessions.

    Copies of anonymous sessions have a shorter lifetime and a budget, so that visitors cannot fill the store.

    Args:
        store: shared with the other processes.
        listener: notified of lost copies and of outages.
        limits: of copies of anonymous sessions, for this process.
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
        """Whether the last write could not reach the store."""
        return self._writer.down

    async def look(self, name: str) -> Found | None:
        """Returns the copy of the session with this id, `None` without one.

        Args:
            name: the session's own id; nothing is assumed about it.

        Raises:
            SessionStoreUnavailable: the store cannot be reached.
            SessionDataError: there is a copy, and it cannot be read.
        """
        session = await self._store.aread(self._id(name))
        found = None if session is None else Found.of(session)
        if found is None and session is not None:
            logger.warning("The copy of a session is of another release of FluxLit, and a new session begins.")
        return found

    def begin(self, name: str, identity: Mapping[str, Any], address: str | None = None) -> Copy:
        """Returns an empty copy for a new session.

        Args:
            name: the session's own id.
            identity: claims of its user, empty if anonymous; the copy opens for the same claims only.
            address: of the visitor, for the budget of anonymous sessions; `None` if unknown.
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
        """Takes a found session over. Arguments: see `look` and `begin`.

        Returns:
            The copy, to be submitted at once, and its content; `None` if it is another user's.

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
        """Queues a copy to be written in the background."""
        self._writer.submit(copy)

    def close(self, timeout: float) -> bool:
        """Writes queued copies for at most `timeout` s; returns whether all were.

        Blocks.
        """
        return self._writer.close(timeout)

    async def aclose(self, timeout: float) -> bool:
        """Does the same without blocking the event loop, and closes the store."""
        done = await asyncio.to_thread(self._writer.close, timeout)
        await self._store.aclose()
        return done

    def _id(self, name: str) -> str:
        return self._store.derive_id(PURPOSE, name)
