"""Bounded cache of per-header-name lookups."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MOST = 1024
LONGEST = 64
"""Names that are remembered, and bytes of each. Clients choose some of them, so both are bounded."""


class HeaderCache(dict[bytes, T]):
    """Results of a function of a header name, or of a short value.

    A dictionary lookup costs half of `lru_cache`.

    Args:
        find: the function; what it raises is passed on, and not remembered.
    """

    def __init__(self, find: Callable[[bytes], T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, name: bytes) -> T:
        found = self._find(name)
        if len(self) < MOST and len(name) <= LONGEST:
            self[name] = found
        return found
