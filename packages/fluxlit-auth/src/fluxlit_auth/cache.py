"""`CachedValue`: fetched on first use, and again when it is old.

Concurrent callers share one fetch. A failed fetch is not repeated at once, and the old value stays in use for a
while: a provider that is down for minutes must not affect callers that do not need it at the moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fluxlit_auth.errors import ProviderUnavailable

T = TypeVar("T")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class CacheLifetimes:
    """Lifetimes of a cached value, in seconds.

    Attributes:
        fresh: age after which the next use fetches it again.
        stale: age up to which it is used while fetching fails.
        pause: minimum time between two fetches after a failure, and between two fetches out of turn.
    """

    fresh: float = 3600.0
    stale: float = 86400.0
    pause: float = 10.0


class CachedValue(Generic[T]):
    """Caches one fetched value.

    Args:
        fetch: fetches the value, or raises `ProviderUnavailable`.
        lifetimes: of the value.
        clock: monotonic seconds.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[T]], lifetimes: CacheLifetimes | None = None, clock: Clock = time.monotonic
    ) -> None:
        self._fetch, self._lifetimes, self._clock = fetch, lifetimes or CacheLifetimes(), clock
        self._value: tuple[T, float] | None = None
        self._failure: tuple[ProviderUnavailable, float] | None = None
        self._asked = float("-inf")
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return the value, fetched if it is not fresh.

        Raises:
            ProviderUnavailable: it cannot be fetched, and the cached one is too old.
        """
        value = self._value
        if value is not None and self._age(value[1]) < self._lifetimes.fresh:
            return value[0]
        try:
            return await self._shared_fetch()
        except ProviderUnavailable:
            if value is not None and self._age(value[1]) < self._lifetimes.stale:
                return value[0]
            raise

    async def again(self, seen: T) -> T:
        """Return a value that is newer than `seen`, which lacks something.

        Returns:
            `seen` itself if it is too early for another fetch.

        Raises:
            ProviderUnavailable: it cannot be fetched, or could not be a moment ago.
        """
        if self._value is not None and self._value[0] is not seen:
            return self._value[0]
        if self._task is None:
            if self._age(self._asked) < self._lifetimes.pause:
                self._raise_recent_failure()  # then `seen` is not known to be current
                return seen
            self._asked = self._clock()
        return await self._shared_fetch()

    def _age(self, since: float) -> float:
        return self._clock() - since

    def _raise_recent_failure(self) -> None:
        if self._failure is not None and self._age(self._failure[1]) < self._lifetimes.pause:
            raise self._failure[0].with_traceback(None)

    async def _shared_fetch(self) -> T:
        if self._task is None:
            self._raise_recent_failure()
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(_retrieve)
        # Shielded: a caller that is cancelled must not cancel the fetch of the others.
        return await asyncio.shield(self._task)

    async def _run(self) -> T:
        try:
            fetched = await self._fetch()
        except ProviderUnavailable as error:
            self._failure = (error, self._clock())
            raise
        else:
            self._value, self._failure = (fetched, self._clock()), None
            return fetched
        finally:
            self._task = None


def _retrieve(task: asyncio.Task[T]) -> None:
    """Mark the exception as retrieved, also when all callers have gone."""
    if not task.cancelled():
        task.exception()
