"""Two changes of one state come together key by key."""

import math

import pytest

from fluxlit_sessions import MISSING
from fluxlit_sessions.merge import changed, merge, same


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        ([1, {"a": (2,)}], [1, {"a": (2,)}], True),
        ([1, {"a": (True,)}], [1, {"a": (1,)}], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1], [1, 2], False),
        (math.nan, math.nan, True),
        ({1, 2}, {2, 1}, True),
    ],
)
def test_values_are_the_same_when_types_are(one: object, other: object, equal: bool) -> None:
    assert same(one, other) is equal


def test_values_that_cannot_be_compared_are_the_same_only_if_they_are_one() -> None:
    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]

    array = Array()
    assert same(array, array)
    assert not same(array, Array())


def test_a_change_is_another_value_a_new_key_or_one_that_went() -> None:
    assert changed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 0, "d": 4}) == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("ours", "theirs", "data", "conflicts"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 2}, ()),
        ({"a": 9, "b": 2}, {"a": 1, "b": 8}, {"a": 9, "b": 8}, ()),
        ({"b": 2}, {"a": 1, "b": 8}, {"b": 8}, ()),
        ({"a": 1, "b": 2, "n": 0}, {"a": 1}, {"a": 1, "n": 0}, ()),
        ({"a": 9, "b": 2}, {"a": 9, "b": 2}, {"a": 9, "b": 2}, ("a",)),
        ({"a": 9, "b": 2}, {"a": 8, "b": 2}, {"a": 8, "b": 2}, ("a",)),
        ({"a": 9, "b": 2}, {"b": 2}, {"b": 2}, ("a",)),
        ({"b": 2}, {"a": 8, "b": 2}, {"a": 8, "b": 2}, ("a",)),
    ],
)
def test_each_side_keeps_its_changes_and_a_key_that_both_changed_is_a_conflict(
    ours: dict[str, int], theirs: dict[str, int], data: dict[str, int], conflicts: tuple[str, ...]
) -> None:
    merged = merge({"a": 1, "b": 2}, ours, theirs)
    assert (merged.data, merged.conflicts) == (data, conflicts)


def test_after_a_save_with_a_lost_response_equal_values_are_ours() -> None:
    assert merge({"n": 1}, {"n": 2}, {"n": 2}, doubt=True).conflicts == ()
    assert merge({"n": 1}, {"n": 2}, {"n": 3}, doubt=True).conflicts == ("n",)


def test_the_application_may_solve_conflicts() -> None:
    merged = merge({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}, lambda _, old, mine, theirs: theirs + mine[len(old) :])
    assert (merged.data, merged.conflicts) == ({"a": [1, 3, 2]}, ())


def test_a_conflict_may_be_solved_by_removing_the_key() -> None:
    assert merge({"a": 1}, {"a": 2}, {"a": 3}, lambda *_: MISSING).data == {}
