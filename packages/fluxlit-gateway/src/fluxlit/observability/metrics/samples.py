"""Samples of metrics; those of several processes are added up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fluxlit.observability.metrics.histogram import Histogram

Value = float | Histogram
Labels = tuple[str, ...]


class Samples:
    """Values by the name of their family and their labels' values."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, Value]] = {}

    def add(self, name: str, value: Value, *labels: str) -> None:
        """Add a value to what is there under the same name and labels."""
        series = self._values.setdefault(name, {})
        series[labels] = _sum(series[labels], value) if labels in series else value

    def update(self, other: Samples) -> None:
        """Add everything that others have read."""
        for name, labels, value in other:
            self.add(name, value, *labels)

    def of(self, name: str) -> dict[Labels, Value]:
        """All values of one family."""
        return self._values.get(name, {})

    def __iter__(self) -> Iterator[tuple[str, Labels, Value]]:
        for name, series in self._values.items():
            for labels, value in series.items():
                yield name, labels, value

    def to_json(self) -> list[Any]:
        """The samples as JSON values, for another process."""
        return [[name, list(labels), _plain(value)] for name, labels, value in self]

    @classmethod
    def from_json(cls, rows: list[Any]) -> Samples:
        """What `to_json` has written."""
        readings = cls()
        for name, labels, value in rows:
            readings.add(name, Histogram(*value) if isinstance(value, list) else value, *labels)
        return readings


def _plain(value: Value) -> Any:
    return [value.bounds, value.counts, value.total] if isinstance(value, Histogram) else value


def _sum(one: Value, other: Value) -> Value:
    if isinstance(one, Histogram) and isinstance(other, Histogram):
        return one + other
    if isinstance(one, Histogram) or isinstance(other, Histogram):
        raise TypeError("a histogram and a number cannot be added")
    return one + other
