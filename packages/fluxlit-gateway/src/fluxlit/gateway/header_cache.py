"""Bounded cache of lookups by header name, or by a short value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MOST = 1024
LONGEST = 64
"""Keys that are remembered, and bytes of each. Clients choose some of them, so both are bounded."""


class HeaderCache(dict[bytes, T]):
    """Results of a function of bytes.

    A dictionary lookup costs half of `lru_cache`.

    Args:
        find: the function, of a header name or a short value; what it raises is passed on, and not remembered.
    """

    def __init__(self, find: Callable[[bytes], T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, key: bytes) -> T:
        found = self._find(key)
        if len(self) < MOST and len(key) <= LONGEST:
            self[key] = found
        return found
