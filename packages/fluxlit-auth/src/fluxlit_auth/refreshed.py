"""A value that is fetched when it is first needed, and again when it has become old.

Everybody who waits for a fetch waits for the same one. A fetch that fails is not repeated at once, and the old value
serves on for a while: a provider that is down for minutes must not stop those who do not need it at the moment.
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
class Ages:
    """How old a fetched value may become, in seconds.

    Attributes:
        fresh: it is fetched again by the first use after this.
        stale: it is used up to this age while fetching fails.
        pause: least time between two fetches that failed, or that somebody asked for out of turn.
    """

    fresh: float = 3600.0
    stale: float = 86400.0
    pause: float = 10.0


class Refreshed(Generic[T]):
    """Keeps one fetched value.

    Args:
        fetch: gets the value, or raises `ProviderUnavailable`.
        ages: how old it may become.
        clock: monotonic seconds.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[T]], ages: Ages | None = None, clock: Clock = time.monotonic
    ) -> None:
        self._fetch, self._ages, self._clock = fetch, ages or Ages(), clock
        self._value: tuple[T, float] | None = None
        self._failure: tuple[ProviderUnavailable, float] | None = None
        self._asked = float("-inf")
        self._flight: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The value, fetched if there is none that is fresh.

        Raises:
            ProviderUnavailable: it cannot be fetched, and there is none that may still be used.
        """
        value = self._value
        if value is not None and self._age(value[1]) < self._ages.fresh:
            return value[0]
        try:
            return await self._fly()
        except ProviderUnavailable:
            if value is not None and self._age(value[1]) < self._ages.stale:
                return value[0]
            raise

    async def again(self, seen: T) -> T:
        """A value that is newer than `seen`, because `seen` lacks something; the same if it is too early to ask.

        Raises:
            ProviderUnavailable: it cannot be fetched.
        """
        if self._value is not None and self._value[0] is not seen:
            return self._value[0]
        if self._flight is None:
            if self._age(self._asked) < self._ages.pause:
                return seen
            self._asked = self._clock()
        return await self._fly()

    def _age(self, since: float) -> float:
        return self._clock() - since

    async def _fly(self) -> T:
        if self._flight is None:
            failure = self._failure
            if failure is not None and self._age(failure[1]) < self._ages.pause:
                raise failure[0].with_traceback(None)
            self._flight = asyncio.create_task(self._land())
            self._flight.add_done_callback(_heard)
        # Shielded: one who gives up waiting must not take the fetch away from the others.
        return await asyncio.shield(self._flight)

    async def _land(self) -> T:
        try:
            fetched = await self._fetch()
        except ProviderUnavailable as error:
            self._failure = (error, self._clock())
            raise
        else:
            self._value, self._failure = (fetched, self._clock()), None
            return fetched
        finally:
            self._flight = None


def _heard(flight: asyncio.Task[T]) -> None:
    """Takes note of a failure that nobody waits for any more, or asyncio would complain."""
    if not flight.cancelled():
        flight.exception()
