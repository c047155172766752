"""The flow as a table: walked without any I/O, and drawn as it is."""

import itertools

import pytest

from fluxlit_auth.login.flow import FLOW, LIFE, Effect, Event, FlowError, State, Table, step
from scripts.write_login_flow import PAGE, renewed

TABLES = {"flow": FLOW, "life": LIFE}
BEGINNINGS = {"flow": {State.START}, "life": {State.PRESENTED}}
ENDS = {
    "flow": {State.SIGNED_IN, State.REFUSED, State.UNAVAILABLE},
    "life": {State.SERVED, State.ENDED, State.UNAVAILABLE},
}


def walks(table: Table, state: State, gone: tuple[Event, ...] = ()) -> list[tuple[Event, ...]]:
    """Every way from a state to an end."""
    following = [event for known, event in table if known is state]
    if not following:
        return [gone]
    return [walk for event in following for walk in walks(table, table[state, event].state, (*gone, event))]


def effects(table: Table, state: State, walk: tuple[Event, ...]) -> tuple[State, list[Effect]]:
    done: list[Effect] = []
    for event in walk:
        found = step(table, state, event)
        state = found.state
        done += found.effects
    return state, done


@pytest.mark.parametrize("name", TABLES)
def test_every_walk_ends_and_every_state_is_reached(name: str) -> None:
    table = TABLES[name]
    reached = {found.state for found in table.values()}
    assert {state for state, _ in table} - reached == BEGINNINGS[name]
    assert reached - {state for state, _ in table} == ENDS[name]
    [beginning] = BEGINNINGS[name]
    assert {effects(table, beginning, walk)[0] for walk in walks(table, beginning)} == ENDS[name]


@pytest.mark.parametrize("name", TABLES)
def test_at_most_the_last_effect_of_a_step_asks(name: str) -> None:
    for (state, event), found in TABLES[name].items():
        asks = [effect.asks for effect in found.effects]
        assert not any(asks[:-1]), (state, event)
        assert asks[-1] is (found.state not in ENDS[name] and found.state is not State.AWAY), (state, event)


@pytest.mark.parametrize("name", TABLES)
def test_what_is_not_in_the_table_cannot_happen(name: str) -> None:
    table = TABLES[name]
    for state, event in itertools.product(State, Event):
        if (state, event) not in table:
            with pytest.raises(FlowError):
                step(table, state, event)


def test_nobody_is_signed_in_past_a_check() -> None:
    ways = [walk for walk in walks(FLOW, State.START) if effects(FLOW, State.START, walk)[0] is State.SIGNED_IN]
    assert ways
    for walk in ways:
        _, done = effects(FLOW, State.START, walk)
        needed = [Effect.STORE_ATTEMPT, Effect.BIND_BROWSER, Effect.TAKE_ATTEMPT, Effect.MATCH_ANSWER]
        judged = Effect.VERIFY_TOKENS if Effect.VERIFY_TOKENS in done else Effect.ASK_USERINFO
        order = [*needed, Effect.REDEEM_CODE, judged, Effect.OPEN_SESSION, Effect.END_OLD_SESSION, Effect.SET_SESSION]
        assert [effect for effect in done if effect in order] == order
        assert Effect.UNBIND_BROWSER in done


def test_nobody_who_is_turned_away_gets_a_session() -> None:
    for walk in walks(FLOW, State.START):
        end, done = effects(FLOW, State.START, walk)
        if end is not State.SIGNED_IN:
            assert not {Effect.SET_SESSION, Effect.SEND_BACK, Effect.END_OLD_SESSION} & set(done)


def test_only_a_live_session_is_served() -> None:
    for walk in walks(LIFE, State.PRESENTED):
        end, done = effects(LIFE, State.PRESENTED, walk)
        assert (Effect.SERVE in done) is (end is State.SERVED)
        assert (Effect.CLEAR_SESSION in done) is (end is State.ENDED)


def test_the_diagrams_in_the_documentation_are_those_of_the_tables() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("stateDiagram-v2") == 2
    assert renewed(text) == text, "run: python scripts/write_login_flow.py"


def test_every_question_of_a_login_may_be_answered_by_an_outage() -> None:
    for found in [*FLOW.values(), *LIFE.values()]:
        table = FLOW if found in FLOW.values() else LIFE
        if found.effects[-1].asks:
            assert (found.state, Event.DOWN) in table, found
