"""The budget of copies of sessions without a user."""

from __future__ import annotations

import pytest

from fluxlit_sessions.copies.budget import Budget, Limits, source_of
from fluxlit_sessions.testing import ManualClock

LIMITS = Limits(ttl=100, copies=10, size=1000, share=0.5)


def test_what_has_ended_counts_no_longer() -> None:
    clock = ManualClock()
    budget = Budget(LIMITS, clock)
    assert [budget.admit(f"{number}", None, 1) for number in range(11)] == [True] * 10 + [False]
    clock.advance(60)
    budget.extend("0")
    clock.advance(40)
    assert [budget.admit(f"new {number}", None, 1) for number in range(10)] == [True] * 9 + [False]
    budget.release("0")
    assert budget.admit("new", None, 1)


def test_bytes_count_as_they_are_now() -> None:
    budget = Budget(LIMITS)
    assert budget.admit("a", None, 600)
    assert not budget.admit("b", None, 500)
    assert not budget.admit("a", None, 1001)
    assert budget.admit("a", None, 500)
    assert budget.admit("b", None, 500)


def test_an_address_has_a_share() -> None:
    budget = Budget(LIMITS)
    assert [budget.admit(f"{number}", "192.0.2.1", 1) for number in range(6)] == [True] * 5 + [False]
    assert not budget.admit("large", "192.0.2.2", 501)
    assert budget.admit("other", "192.0.2.2", 500)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("/run/edge.sock", "/run/edge.sock"),
        (None, ""),
    ],
)
def test_what_an_address_counts_as(address: str | None, source: str) -> None:
    assert source_of(address) == source
