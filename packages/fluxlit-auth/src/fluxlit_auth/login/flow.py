"""The login flow as tables: states, events, what follows, and what is done. No I/O.

`FLOW` is the authorization code flow of one login attempt, `LIFE` what happens when a request comes with the cookie of
a login session. `drive` walks a table: it performs the effects of a step in order, and where the last one is a
question, its answer is the next event. What is not in a table cannot happen: `step` raises.

The order in `FLOW` is the security of it. An attempt is taken out of the store before anything that came back is
believed, and it can be taken once. A code goes to the token endpoint only after the answer was found to belong to
this browser and this provider. A session is opened only after the tokens were checked, and it is never an old one.

The diagrams in docs/explanation/login-flow.md are made from these tables: after a change run
``python scripts/write_login_flow.py``.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fluxlit_auth.errors import AuthError


class State(enum.Enum):
    """Where a login is, or a request with a session."""

    # of a login
    START = "start"
    FINDING = "finding the provider"
    REMEMBERING = "remembering the attempt"
    PUSHING = "pushing the request"
    AWAY = "at the provider"
    CLAIMING = "claiming the attempt"
    MATCHING = "matching the answer"
    REDEEMING = "redeeming the code"
    VERIFYING = "verifying the tokens"
    ASKING = "asking for the user"
    OPENING = "opening the session"
    SIGNED_IN = "signed in"
    REFUSED = "refused"

    # of a request with a session
    PRESENTED = "presented"
    READING = "reading the session"
    QUEUING = "queuing for a refresh"
    REFRESHING = "refreshing"
    WAITING = "waiting for the other"
    SERVED = "served"
    ENDED = "ended"

    UNAVAILABLE = "unavailable"


class Event(enum.Enum):
    """What happened."""

    # in a login
    LOGIN = "a browser asks to log in"
    FOUND = "metadata known"
    REMEMBERED = "attempt stored"
    MUST_PUSH = "attempt stored, requests are pushed"
    PUSHED = "request taken"
    RETURNED = "the browser is back"
    CLAIMED = "this browser's attempt"
    MATCHED = "this provider's answer"
    TOKENS = "tokens received"
    BARE = "access token received, no others exist"
    VERIFIED = "tokens are good"
    INCOMPLETE = "tokens are good, userinfo has more"
    KNOWN = "user known"
    OPENED = "session stored"

    # in a request with a session
    REQUEST = "a request comes"
    FRESH = "token lasts"
    EXPIRING = "token ends soon"
    GOT_TURN = "our turn"
    OTHERS_TURN = "another refreshes"
    RENEWED = "new tokens stored"
    STILL_GOOD = "old token still good"

    # in both
    WRONG = "something is wrong"
    DOWN = "provider or store is down"


class Effect(enum.Enum):
    """What is done. Those with a question mark are answered by an event."""

    FIND_PROVIDER = "find provider?"
    STORE_ATTEMPT = "store attempt?"
    PUSH_REQUEST = "push request?"
    BIND_BROWSER = "set login cookie"
    SEND_AWAY = "redirect to provider"
    TAKE_ATTEMPT = "take attempt?"
    MATCH_ANSWER = "match answer?"
    REDEEM_CODE = "redeem code?"
    VERIFY_TOKENS = "verify tokens?"
    ASK_USERINFO = "ask userinfo?"
    OPEN_SESSION = "store new session?"
    END_OLD_SESSION = "end old session"
    SET_SESSION = "set session cookie"
    UNBIND_BROWSER = "clear login cookie"
    SEND_BACK = "redirect to return path"
    SHOW_REFUSAL = "show refusal"
    SHOW_OUTAGE = "show outage"

    READ_SESSION = "read session?"
    TAKE_TURN = "take turn?"
    REFRESH = "refresh tokens?"
    AWAIT_OTHER = "wait for the other?"
    SERVE = "serve as user"
    END_SESSION = "end session"
    CLEAR_SESSION = "clear session cookie"
    REPORT_OUTAGE = "answer 503"

    @property
    def asks(self) -> bool:
        """It is answered by an event."""
        return self.value.endswith("?")


@dataclass(frozen=True, slots=True)
class Step:
    """What an event leads to.

    Attributes:
        state: the next one.
        effects: what to do, in order; at most the last one asks.
    """

    state: State
    effects: tuple[Effect, ...]


Table = Mapping[tuple[State, Event], Step]

_NO_LOGIN = Step(State.REFUSED, (Effect.SHOW_REFUSAL,))
_NOT_NOW = Step(State.UNAVAILABLE, (Effect.SHOW_OUTAGE,))
# Once it was taken an attempt cannot go on later, so its cookie goes as well.
_REFUSED = Step(State.REFUSED, (Effect.UNBIND_BROWSER, Effect.SHOW_REFUSAL))
_LOST = Step(State.UNAVAILABLE, (Effect.UNBIND_BROWSER, Effect.SHOW_OUTAGE))

FLOW: Table = {
    (State.START, Event.LOGIN): Step(State.FINDING, (Effect.FIND_PROVIDER,)),
    (State.FINDING, Event.FOUND): Step(State.REMEMBERING, (Effect.STORE_ATTEMPT,)),
    (State.FINDING, Event.WRONG): _NO_LOGIN,
    (State.FINDING, Event.DOWN): _NOT_NOW,
    (State.REMEMBERING, Event.REMEMBERED): Step(State.AWAY, (Effect.BIND_BROWSER, Effect.SEND_AWAY)),
    (State.REMEMBERING, Event.MUST_PUSH): Step(State.PUSHING, (Effect.PUSH_REQUEST,)),
    (State.REMEMBERING, Event.DOWN): _NOT_NOW,
    (State.PUSHING, Event.PUSHED): Step(State.AWAY, (Effect.BIND_BROWSER, Effect.SEND_AWAY)),
    (State.PUSHING, Event.WRONG): _NO_LOGIN,
    (State.PUSHING, Event.DOWN): _NOT_NOW,
    (State.AWAY, Event.RETURNED): Step(State.CLAIMING, (Effect.TAKE_ATTEMPT,)),
    (State.CLAIMING, Event.CLAIMED): Step(State.MATCHING, (Effect.MATCH_ANSWER,)),
    (State.CLAIMING, Event.WRONG): _NO_LOGIN,
    (State.CLAIMING, Event.DOWN): _NOT_NOW,
    (State.MATCHING, Event.MATCHED): Step(State.REDEEMING, (Effect.REDEEM_CODE,)),
    (State.MATCHING, Event.WRONG): _REFUSED,
    (State.MATCHING, Event.DOWN): _LOST,
    (State.REDEEMING, Event.TOKENS): Step(State.VERIFYING, (Effect.VERIFY_TOKENS,)),
    (State.REDEEMING, Event.BARE): Step(State.ASKING, (Effect.ASK_USERINFO,)),
    (State.REDEEMING, Event.WRONG): _REFUSED,
    (State.REDEEMING, Event.DOWN): _LOST,
    (State.VERIFYING, Event.VERIFIED): Step(State.OPENING, (Effect.OPEN_SESSION,)),
    (State.VERIFYING, Event.INCOMPLETE): Step(State.ASKING, (Effect.ASK_USERINFO,)),
    (State.VERIFYING, Event.WRONG): _REFUSED,
    (State.VERIFYING, Event.DOWN): _LOST,
    (State.ASKING, Event.KNOWN): Step(State.OPENING, (Effect.OPEN_SESSION,)),
    (State.ASKING, Event.WRONG): _REFUSED,
    (State.ASKING, Event.DOWN): _LOST,
    (State.OPENING, Event.OPENED): Step(
        State.SIGNED_IN,
        (Effect.END_OLD_SESSION, Effect.SET_SESSION, Effect.UNBIND_BROWSER, Effect.SEND_BACK),
    ),
    (State.OPENING, Event.WRONG): _REFUSED,
    (State.OPENING, Event.DOWN): _LOST,
}

_GONE = Step(State.ENDED, (Effect.CLEAR_SESSION,))
_OUTAGE = Step(State.UNAVAILABLE, (Effect.REPORT_OUTAGE,))
_SERVED = Step(State.SERVED, (Effect.SERVE,))

LIFE: Table = {
    (State.PRESENTED, Event.REQUEST): Step(State.READING, (Effect.READ_SESSION,)),
    (State.READING, Event.FRESH): _SERVED,
    (State.READING, Event.EXPIRING): Step(State.QUEUING, (Effect.TAKE_TURN,)),
    (State.READING, Event.WRONG): _GONE,
    (State.READING, Event.DOWN): _OUTAGE,
    (State.QUEUING, Event.GOT_TURN): Step(State.REFRESHING, (Effect.REFRESH,)),
    (State.QUEUING, Event.STILL_GOOD): _SERVED,
    (State.QUEUING, Event.OTHERS_TURN): Step(State.WAITING, (Effect.AWAIT_OTHER,)),
    (State.QUEUING, Event.WRONG): _GONE,
    (State.QUEUING, Event.DOWN): _OUTAGE,
    (State.REFRESHING, Event.RENEWED): _SERVED,
    (State.REFRESHING, Event.STILL_GOOD): _SERVED,
    (State.REFRESHING, Event.WRONG): Step(State.ENDED, (Effect.END_SESSION, Effect.CLEAR_SESSION)),
    (State.REFRESHING, Event.DOWN): _OUTAGE,
    (State.WAITING, Event.RENEWED): _SERVED,
    (State.WAITING, Event.WRONG): _GONE,
    (State.WAITING, Event.DOWN): _OUTAGE,
}


class FlowError(AuthError):
    """An event that cannot happen in a state: a mistake in this package."""


def step(table: Table, state: State, event: Event) -> Step:
    """What an event leads to.

    Raises:
        FlowError: the event cannot happen there.
    """
    found = table.get((state, event))
    if found is None:
        raise FlowError(f"{event.name} cannot happen while {state.name}")
    return found


async def drive(
    table: Table, state: State, event: Event, perform: Callable[[Effect], Awaitable[Event | None]]
) -> State:
    """Walks a table until no question is open; returns the state reached.

    Args:
        table: `FLOW` or `LIFE`.
        state: where to begin.
        event: what happened there.
        perform: does one effect, and answers it with an event if it asks.
    """
    following: Event | None = event
    while following is not None:
        found = step(table, state, following)
        state, following = found.state, None
        for effect in found.effects:
            answer = await perform(effect)
            following = answer if effect.asks else None
    return state


def diagram(table: Table) -> str:
    """A Mermaid state diagram of a table."""
    starts = {state for state, _ in table} - {found.state for found in table.values()}
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {state.name}' for state in _in_order(table)]
    lines += [f"    [*] --> {state.name}" for state in _in_order(table) if state in starts]
    for (state, event), found in table.items():
        done = ", ".join(effect.value.rstrip("?") for effect in found.effects)
        lines.append(f"    {state.name} --> {found.state.name}: {event.value} / {done}")
    ends = {found.state for found in table.values()} - {state for state, _ in table}
    lines += [f"    {state.name} --> [*]" for state in _in_order(table) if state in ends]
    return "\n".join(lines) + "\n"


def _in_order(table: Table) -> list[State]:
    used = {state for state, _ in table} | {found.state for found in table.values()}
    return [state for state in State if state in used]
