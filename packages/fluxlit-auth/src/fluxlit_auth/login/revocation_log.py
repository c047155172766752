"""`RevocationLog`: ended logins and what else replicas share.

Each entry is a record with an id that every replica can derive from its subject and its time. There are three kinds:

- ``once``: the first replica to claim a text gets true, all others false, for as long as the record lives;
- a list for each day, such as the logins with one ``sid`` of the provider;
- the ended logins, in records for ten minutes each. Every replica reads the newest two, twice in a second: that works
  with every store and costs two small reads, independent of the number of sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from fluxlit_auth.login.stores import DAY, WALL, Clock
from fluxlit_sessions import (
    Session,
    SessionConflict,
    SessionDataError,
    SessionNotFound,
    SessionStore,
    SessionStoreUnavailable,
)

SLICE_S = 600.0
"""Longer than the clocks of replicas differ, and short enough that a slice stays small."""

ATTEMPTS = 20

FULL = 2000
"""Ended logins in one record. An operator may end all of them at once; then there is a chain of records."""


class RevocationLog:
    """The shared log of one application.

    Args:
        store: where it is kept.
        lookback: seconds for which the lists of past days are read: the longest life of a login.
        clock: seconds since the epoch.
    """

    def __init__(self, store: SessionStore, lookback: float, clock: Clock = WALL) -> None:
        self._store, self._lookback, self._clock = store, lookback, clock
        self._postponed: set[str] = set()

    async def used(self, purpose: str, text: str) -> bool:
        """Whether a text was claimed.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        try:
            return await self._store.aread(self._store.derive_id(f"once {purpose}", text)) is not None
        except SessionDataError:
            return True  # a record under a former key

    async def once(self, purpose: str, text: str) -> bool:
        """Claim a text; false if it was claimed before.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        try:
            await self._store.acreate(session_id=self._store.derive_id(f"once {purpose}", text))
        except SessionConflict:
            return False
        return True

    async def note(self, purpose: str, about: str, text: str) -> None:
        """Add a text to today's list about a subject.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        await self._add(purpose, f"{self._day()} {about}", [text])

    async def notes(self, purpose: str, about: str) -> list[str]:
        """Return the texts about a subject of all days within `lookback`.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        days = range(self._day() - int(self._lookback // DAY) - 1, self._day() + 1)
        found = [await self._texts(purpose, f"{day} {about}") for day in days]
        return list(dict.fromkeys(text for texts in found for text in texts))

    async def announce(self, handles: Iterable[str]) -> None:
        """Notify all replicas that logins have ended.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        texts = [*handles, *self._postponed]
        for begin in range(0, len(texts), FULL):
            await self._add("ended", await self._open_end(), texts[begin : begin + FULL])
        self._postponed.difference_update(texts)

    def postpone(self, handles: Iterable[str]) -> None:
        """Announce ended logins later; the store takes no writes now."""
        self._postponed.update(handles)

    async def announced(self) -> list[str]:
        """Return the logins that ended in the last ten to twenty minutes.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        if self._postponed:
            with contextlib.suppress(SessionStoreUnavailable):  # reads may work while the store is full
                await self.announce(())
        now = self._slice()
        return [text for each in (now - 1, now) for texts in await self._chain(each) for text in texts]

    async def _open_end(self) -> str:
        """Return the name of the record of this slice that is not full."""
        now = self._slice()
        return _link(now, len(await self._chain(now)) - 1)

    async def _chain(self, slice_: int) -> list[list[str]]:
        """Return the ended logins of one slice; the last record has room."""
        chain = [await self._texts("ended", _link(slice_, 0))]
        while len(chain[-1]) >= FULL:
            chain.append(await self._texts("ended", _link(slice_, len(chain))))
        return chain

    async def _add(self, purpose: str, about: str, texts: list[str]) -> None:
        named = self._store.derive_id(purpose, about)
        for attempt in range(ATTEMPTS):
            try:
                await self._write(named, await self._readable(named), texts)
            except (SessionConflict, SessionNotFound):
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.005 * attempt)
            else:
                return

    async def _write(self, named: str, found: Session | None, texts: list[str]) -> None:
        if found is None:
            await self._store.acreate({"texts": texts}, session_id=named)
        else:
            merged = dict.fromkeys([*found.data.get("texts", []), *texts])
            await self._store.asave(found, {"texts": list(merged)})

    async def _texts(self, purpose: str, about: str) -> list[str]:
        try:
            found = await self._store.aread(self._store.derive_id(purpose, about))
        except SessionDataError:
            return []  # under a former key; the next entry replaces it
        return [] if found is None else list(found.data.get("texts", []))

    async def _readable(self, named: str) -> Session | None:
        """Read a record; remove it if it is under a former key.

        It must not block what an operator revokes.
        """
        try:
            return await self._store.aread(named)
        except SessionDataError:
            await self._store.adelete(named)
            return None

    def _day(self) -> int:
        return int(self._clock() // DAY)

    def _slice(self) -> int:
        return int(self._clock() // SLICE_S)


def _link(slice_: int, number: int) -> str:
    return f"{slice_}.{number}" if number else str(slice_)
