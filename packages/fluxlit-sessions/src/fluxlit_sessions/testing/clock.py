"""A clock that only moves by `advance`."""

from __future__ import annotations


class ManualClock:
    """Seconds since the epoch, for the option ``clock``.

    Args:
        now: where it starts.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Returns the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Moves the clock."""
        self.now += seconds
