"""Budget of copies of anonymous sessions: visitors cannot fill the store.

A copy counts from its first write until it is removed or expires in the store. Copies beyond the budget are not
written: those sessions continue, and end with their process. Each call takes constant time.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("fluxlit_sessions")

WARN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for the copies of one process.

    Attributes:
        ttl: seconds until the store drops an unused copy.
        copies: most copies.
        size: most bytes of all copies.
        share: part of both for one address: an IPv4 address, or an IPv6 network of 64 bits.
    """

    ttl: float = 900.0
    copies: int = 1000
    size: int = 32 * 1024 * 1024
    share: float = 0.1


@dataclass(frozen=True, slots=True)
class _Held:
    source: str
    size: int
    until: float


class Budget:
    """Counts copies, in total and for each address.

    Args:
        limits: for all copies and for one address.
        clock: monotonic seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}  # in the order in which they end
        self._copies: Counter[str] = Counter()
        self._sizes: Counter[str] = Counter()
        self._warned = -WARN_EVERY_S

    def admit(self, copy: str, address: str | None, size: int) -> bool:
        """Counts a copy of `size` bytes; returns false if it does not fit.

        A copy that does not fit counts as before.

        Args:
            copy: its id.
            address: of the visitor, `None` if unknown.
            size: bytes.
        """
        source, now = source_of(address), self._clock()
        with self._lock:
            while self._held and (first := next(iter(self._held))) and self._held[first].until <= now:
                self._drop(first)
            before = self._drop(copy)
            fits = self._fits("", size, 1.0) and (not source or self._fits(source, size, self._limits.share))
            counted = _Held(source, size, now + self._limits.ttl) if fits else before
            if counted is not None:
                self._add(copy, counted)
        if not fits:
            self._warn(now)
        return fits

    def extend(self, copy: str) -> None:
        """Counts a copy for another lifetime, after a use."""
        with self._lock:
            if (held := self._drop(copy)) is not None:
                self._add(copy, _Held(held.source, held.size, self._clock() + self._limits.ttl))

    def release(self, copy: str) -> None:
        """Stops counting a copy, after its removal."""
        with self._lock:
            self._drop(copy)

    def _fits(self, source: str, size: int, share: float) -> bool:
        copies, total = self._limits.copies * share, self._limits.size * share
        return self._copies[source] + 1 <= copies and self._sizes[source] + size <= total

    def _add(self, copy: str, held: _Held) -> None:
        self._held[copy] = held
        for source in {"", held.source}:
            self._copies[source] += 1
            self._sizes[source] += held.size

    def _drop(self, copy: str) -> _Held | None:
        held = self._held.pop(copy, None)
        if held is not None:
            for source in {"", held.source}:
                self._copies[source] -= 1
                self._sizes[source] -= held.size
                if source and not self._copies[source]:
                    del self._copies[source], self._sizes[source]
        return held

    def _warn(self, now: float) -> None:
        if now - self._warned >= WARN_EVERY_S:
            self._warned = now
            logger.warning(
                "copies of anonymous sessions have used up their budget (%d copies, %d bytes); further sessions are "
                "not copied and will end with their process",
                self._copies[""],
                self._sizes[""],
            )


def source_of(address: str | None) -> str:
    """Returns the address or network that one subscriber has.

    In IPv6 that is a network of 64 bits or more (RFC 6177).
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
