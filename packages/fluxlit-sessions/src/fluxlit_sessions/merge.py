"""Merging the changes of two tabs to one session, key by key.

A save that finds another version in the store than the one it is based on looks at three
states: the one both sides started from, ours, and theirs. A key that only one side changed
takes that side's value. A key that both changed is a conflict, also when both made the same
of it: two tabs that count from 1 to 2 have lost a count. Theirs is in the store already, so a
conflict is solved by a function of the application, or theirs stays and ours is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Stands for the value of a key that is not there."""

Resolve = Callable[[str, Any, Any, Any], Any]
"""Solves a conflict: (key, before, ours, theirs) -> the value to keep. `MISSING` stands for no value, both ways."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of a merge.

    Attributes:
        data: what the session holds now.
        conflicts: keys that both changed, and of which theirs was kept.
    """

    data: dict[str, Any]
    conflicts: tuple[str, ...]


def same(one: Any, other: Any) -> bool:
    """Returns whether two values and all their types are equal.

    ``1`` is neither ``True`` nor ``1.0``.
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    try:
        # The second half is for NaN, which is not equal to itself.
        return bool(one == other) or bool(one != one and other != other)  # noqa: PLR0124
    except Exception:  # noqa: BLE001 - comparing foreign values may do anything, such as give an array
        return False


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Returns the keys with different values, added and removed ones included."""
    keys = dict.fromkeys((*before, *after))
    return [key for key in keys if not same(before.get(key, MISSING), after.get(key, MISSING))]


def merge(
    before: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    resolve: Resolve | None = None,
    *,
    doubt: bool = False,
) -> Merged:
    """Merges two changes of one state.

    Args:
        before: what both sides started from.
        ours: what this side made of it. Its values are kept, not copied.
        theirs: what is in the store.
        resolve: solves conflicts; without it theirs is kept.
        doubt: an earlier save of ours may have happened without our knowing. Then theirs is ours where it is equal.
    """
    data, conflicts = dict(ours), []
    for key in changed(before, theirs):
        old, mine, other = (state.get(key, MISSING) for state in (before, ours, theirs))
        value = other
        if not same(mine, old) and not (doubt and same(mine, other)):
            if resolve is None:
                conflicts.append(key)
            else:
                value = resolve(key, old, mine, other)
        if value is MISSING:
            data.pop(key, None)
        else:
            data[key] = value
    return Merged(data, tuple(conflicts))
