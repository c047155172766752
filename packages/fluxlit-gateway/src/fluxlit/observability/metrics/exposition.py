"""Prometheus's text format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from fluxlit.observability.metrics.catalogue import Family
from fluxlit.observability.metrics.histogram import Histogram
from fluxlit.observability.metrics.samples import Labels, Samples

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


def exposition(families: Iterable[Family], readings: Samples) -> str:
    """Write all families that have a value."""
    return "".join(f"{line}\n" for family in families for line in _family(family, readings))


def _family(family: Family, readings: Samples) -> Iterator[str]:
    series = readings.of(family.name)
    if not series:
        return
    yield f"# HELP {family.name} {family.help.translate(_HELP_ESCAPES)}"
    yield f"# TYPE {family.name} {family.kind.value}"
    for labels, value in sorted(series.items()):
        if isinstance(value, Histogram):
            yield from _histogram(family, labels, value)
        else:
            yield f"{family.name}{_labelled(family.labels, labels)} {_number(value)}"


def _histogram(family: Family, labels: Labels, value: Histogram) -> Iterator[str]:
    bounds = [*map(_number, value.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(value.counts), strict=True):
        yield f"{family.name}_bucket{_labelled((*family.labels, 'le'), (*labels, bound))} {count}"
    yield f"{family.name}_sum{_labelled(family.labels, labels)} {_number(value.total)}"
    yield f"{family.name}_count{_labelled(family.labels, labels)} {value.count}"


def _labelled(names: tuple[str, ...], values: Labels) -> str:
    pairs = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
