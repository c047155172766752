"""Waiting for what another process does."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], what: str = "the condition holds", within: float = 60) -> None:
    """Return when a condition holds; fail when the seconds are over."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.01)
