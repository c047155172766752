"""How long to try: pure arithmetic."""

from __future__ import annotations

import random

FIRST_DELAY = 0.02
LONGEST_DELAY = 0.5


class Attempts:
    """Counts attempts and says when the next is due: exponential back-off with jitter, within a budget.

    Args:
        budget: seconds from `now` in which a further attempt may start.
        now: monotonic seconds.
    """

    def __init__(self, budget: float, now: float) -> None:
        self._deadline = now + budget
        self.made = 0

    def left(self, now: float) -> float:
        """Returns the seconds that are left, never less than zero."""
        return max(0.0, self._deadline - now)

    def failed(self, now: float) -> float | None:
        """Counts a failed attempt; returns seconds to wait before the next, `None` to give up."""
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0**self.made)
        self.made += 1
        delay = random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
        return delay if now + delay < self._deadline else None
