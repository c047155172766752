"""Claims: roles in every shape, verified email addresses."""

from typing import Any

import pytest

from fluxlit_auth.claims import duration, email, numeric_date, roles
from fluxlit_auth.errors import TokenRefused

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("claims", "paths", "expected"),
    [
        ({"https://example.com/roles": ["a"]}, ("https://example.com/roles",), ("a",)),
        ({"a": {"b.c": {"d": "x"}}}, ("a.b.c.d",), ("x",)),
        ({"a": {"b": ["x"]}, "a.b": ["y"]}, ("a.b",), ("y",)),
        ({"roles": {"admin": {"org": "1"}}}, ("roles",), ("admin",)),
        ({"roles": ["a", 1, None, "", ["b"]]}, ("roles",), ("a",)),
        ({"roles": 7, "a": "text"}, ("roles", "a.b", "missing"), ()),
    ],
)
def test_roles_are_found_in_every_shape(claims: Any, paths: Any, expected: Any) -> None:
    assert roles(claims, paths) == expected


@pytest.mark.parametrize(("verified", "expected"), [(True, "a@b"), (None, "a@b"), (False, None), ("false", None)])
def test_an_address_that_nobody_has_verified_is_none(verified: Any, expected: str | None) -> None:
    assert email({"email": "a@b", "email_verified": verified}) == expected


ODD = [True, "1", [1], {}, 10**400, -(10**400), 10**30, float("nan"), float("inf"), -float("inf"), 1e15]


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_a_number_that_is_no_date_is_refused_and_never_a_fault(value: Any) -> None:
    with pytest.raises(TokenRefused) as refused:
        numeric_date({"exp": value}, "exp")
    assert refused.value.reason == "exp"


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0.0), (1.5, 1.5), (253_402_300_799, 253_402_300_799.0), (None, None)]
)
def test_dates(value: Any, expected: float | None) -> None:
    assert numeric_date({"exp": value}, "exp") == expected


@pytest.mark.parametrize(("value", "expected"), [(3600, 3600.0), ("3600", 3600.0), (0.5, 0.5)])
def test_durations(value: Any, expected: float) -> None:
    assert duration(value) == expected


NO_DURATIONS = [0, -1, True, None, "", "-1", "1.5", "\u00b2", "9" * 5000, 10**400, float("nan"), float("inf")]


@pytest.mark.parametrize("value", NO_DURATIONS, ids=lambda value: repr(value)[:20])
def test_a_number_that_is_no_duration_is_none(value: Any) -> None:
    assert duration(value) is None
