"""Fewer cases than a full product.

Each value still stands together with each value of every other axis.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

Case = tuple[Any, ...]


def pairwise(cases: Iterable[Case]) -> list[Case]:
    """A few of the cases, which have every pair of values that all have.

    Always the same ones: the processes of pytest-xdist must find the same tests.

    Args:
        cases: such as a product of axes, without what is not possible.
    """
    left: Sequence[Case] = list(cases)
    missing = set().union(*map(_pairs, left))
    chosen: list[Case] = []
    while missing:
        chosen.append(max(left, key=lambda case: len(missing & _pairs(case))))
        missing -= _pairs(chosen[-1])
    return chosen


def _pairs(case: Case) -> set[Any]:
    return set(itertools.combinations(enumerate(case), 2))
