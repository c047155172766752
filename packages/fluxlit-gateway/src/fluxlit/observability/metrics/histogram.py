"""A histogram that costs a fraction of a microsecond for each value."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds for requests and runs: from a response of the gateway itself to a page that computes."""

DELAYS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Upper bounds for the delay of an event loop."""


class Histogram:
    """Counts values by size.

    Args:
        bounds: upper bounds of the buckets, ascending; a value that equals one belongs to it. A last bucket takes
            everything above.

    Attributes:
        bounds: as given.
        counts: values in each bucket alone, not cumulated.
        total: sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS, counts: Sequence[int] = (), total: float = 0.0) -> None:
        self.bounds = tuple(bounds)
        self.counts = list(counts) or [0] * (len(self.bounds) + 1)
        self.total = total

    def add(self, value: float) -> None:
        """Take in a value. Not for several threads at once."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def __add__(self, other: Histogram) -> Histogram:
        if self.bounds != other.bounds:
            raise ValueError("histograms with different bounds cannot be added")
        counts = [mine + others for mine, others in zip(self.counts, other.counts, strict=True)]
        return Histogram(self.bounds, counts, self.total + other.total)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (self.bounds, self.counts, self.total) == (other.bounds, other.counts, other.total)

    __hash__ = None  # type: ignore[assignment]

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)
