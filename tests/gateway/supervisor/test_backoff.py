"""Delays grow, are capped and are spread."""

from hypothesis import given
from hypothesis import strategies as st

from fluxlit.supervisor.backoff import Backoff


def test_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(first_s=1, cap_s=10)
    assert [backoff.delay(failures, 1.0) for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(failures=st.integers(1, 10**9), chance=st.floats(0, 1, exclude_max=True))
def test_a_delay_is_never_above_the_cap_and_never_near_nothing(failures: int, chance: float) -> None:
    backoff = Backoff(first_s=0.2, cap_s=30)
    assert 0.1 <= backoff.delay(failures, chance) <= 30


def test_chance_spreads_over_the_upper_half() -> None:
    backoff = Backoff(first_s=1, cap_s=10)
    assert backoff.delay(1, 0.0) == 0.5
    assert backoff.delay(1, 0.5) == 0.75
