"""The table is walked without any process, clock or event loop."""

import itertools
import typing

import pytest

from fluxlit.supervisor.state import (
    LATE,
    TABLE,
    BackoffElapsed,
    BecameReady,
    DeadlinePassed,
    Effect,
    Event,
    Exited,
    Hung,
    IllegalTransitionError,
    StartRequested,
    State,
    StopRequested,
    apply,
)

EVENTS: tuple[Event, ...] = (
    StartRequested(),
    StopRequested(),
    Exited(1),
    BecameReady(),
    DeadlinePassed(),
    Hung(),
    BackoffElapsed(),
)
STARTS_CHILD = {State.STARTING, State.RESTARTING}
HAS_CHILD = STARTS_CHILD | {State.ABORTING, State.READY, State.REPLACING, State.STOPPING}
FINAL = {State.STOPPED, State.FAILED}


def walk(*events: Event) -> tuple[State, list[Effect]]:
    state = State.NEW
    performed: list[Effect] = []
    for event in events:
        state, effects = apply(state, event)
        performed += effects
    return state, performed


def test_the_cases_above_cover_every_event() -> None:
    assert {type(event) for event in EVENTS} == set(typing.get_args(Event))


def test_no_pair_is_both_a_transition_and_a_late_event() -> None:
    assert LATE.isdisjoint(TABLE)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, EVENTS)))
def test_every_pair_is_a_transition_or_late_or_refused(state: State, event: Event) -> None:
    key = (state, type(event))
    if key in TABLE:
        assert apply(state, event) == TABLE[key]
    elif key in LATE:
        assert apply(state, event) == (state, ())
    else:
        with pytest.raises(IllegalTransitionError, match=type(event).__name__):
            apply(state, event)


@pytest.mark.parametrize("state", list(State))
def test_stop_is_accepted_in_every_state(state: State) -> None:
    after, _ = apply(state, StopRequested())
    assert after in {State.STOPPING, *FINAL}


@pytest.mark.parametrize("state", [state for state in State if state in HAS_CHILD])
def test_an_exit_is_expected_wherever_there_is_a_child(state: State) -> None:
    after, _ = apply(state, Exited(1))
    assert after not in HAS_CHILD, "a state that claims a child would be a lie"


@pytest.mark.parametrize("state", [state for state in State if state not in HAS_CHILD])
def test_an_exit_without_a_child_is_refused(state: State) -> None:
    with pytest.raises(IllegalTransitionError):
        apply(state, Exited(1))


def test_a_child_is_spawned_exactly_on_the_way_into_a_starting_state() -> None:
    for (before, _), (after, effects) in TABLE.items():
        assert (Effect.SPAWN in effects) == (after in STARTS_CHILD and before not in STARTS_CHILD)
        assert not (Effect.SPAWN in effects and before in HAS_CHILD), "two children at once"


def test_every_way_into_an_end_announces_it() -> None:
    for after, effects in TABLE.values():
        assert (Effect.ANNOUNCE_STOPPED in effects) == (after is State.STOPPED)
        assert (Effect.ANNOUNCE_FAILURE in effects) == (after is State.FAILED)


def test_every_state_is_reachable() -> None:
    reached = {State.NEW}
    while more := {after for (before, _), (after, _) in TABLE.items() if before in reached} - reached:
        reached |= more
    assert reached == set(State)


def test_an_end_is_final() -> None:
    for state, event in itertools.product(FINAL, EVENTS):
        assert (state, type(event)) not in TABLE


def test_a_life_with_a_crash_and_a_hang() -> None:
    state, performed = walk(
        StartRequested(),
        BecameReady(),
        Exited(-9),
        BackoffElapsed(),
        BecameReady(),
        Hung(),
        Exited(-9),
        StopRequested(),
    )
    assert state is State.STOPPED
    assert performed.count(Effect.SPAWN) == 2
    assert performed.count(Effect.KILL) == 1


def test_a_first_start_that_fails_is_not_tried_again() -> None:
    assert walk(StartRequested(), Exited(1))[0] is State.FAILED
    assert walk(StartRequested(), DeadlinePassed(), Exited(-9))[0] is State.FAILED


def test_a_restart_that_fails_is_tried_again() -> None:
    assert walk(StartRequested(), BecameReady(), Exited(1), BackoffElapsed(), Exited(1))[0] is State.WAITING
