"""What to await where there is nothing left to wait for.

A function that is called thousands of times a second, and has to wait only now and then, need not be a coroutine for
that: it does its work when it is called, and returns this.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any


class Done(Coroutine[Any, Any, None]):
    """A coroutine that has nothing to do; one is enough for all.

    It is a coroutine and not only an awaitable so that an application may make a task of it.
    """

    __slots__ = ()

    def send(self, value: object) -> None:
        """End at once."""
        raise StopIteration

    def throw(self, *error: Any) -> None:
        """End at once, with the error."""
        raise error[-1] if isinstance(error[-1], BaseException) else error[0]

    def close(self) -> None:
        """Nothing is open."""

    def __await__(self) -> Iterator[Any]:  # type: ignore[override]  # nothing is ever sent into it
        return NOTHING


NOTHING: Iterator[Any] = iter(())
DONE = Done()
