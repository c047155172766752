"""The states of a supervised child as a table, without I/O.

A state is what is true of the child, an event what has just been seen, an effect what the driver must now do.
`apply` looks up the pair; it performs no I/O and reads no clock, so every path can be walked in a test.

Two rules keep the table small:

* A child is only ever replaced after its `Exited` has arrived. Killing is a state of its own (`REPLACING`, `ABORTING`,
  `STOPPING`), so that two children never run at once.
* Events of timers and probes may arrive late, after the state that asked for them is over. These pairs are listed in
  `LATE` and change nothing. A pair that is in neither is a mistake in the driver, and raises.

A new state or event needs its rows here, and an entry in the driver's table of effects when it brings a new effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    """What is true of the child."""

    NEW = "not started"
    STARTING = "starting"
    ABORTING = "being killed: the first start took too long"
    READY = "ready"
    REPLACING = "being killed, to be replaced"
    WAITING = "waiting to be restarted"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "did not start"


class Effect(Enum):
    """What the driver must do after a transition, in the order given."""

    SPAWN = auto()
    WATCH_READINESS = auto()
    WATCH_HEALTH = auto()
    KILL = auto()
    TERMINATE = auto()
    SCHEDULE_RESTART = auto()
    ANNOUNCE_READY = auto()
    ANNOUNCE_FAILURE = auto()
    ANNOUNCE_STOPPED = auto()


@dataclass(frozen=True)
class StartRequested:
    """The owner wants the child to run."""


@dataclass(frozen=True)
class StopRequested:
    """The owner wants the child gone."""


@dataclass(frozen=True)
class Exited:
    """The child is gone.

    Attributes:
        code: exit code; negative for a signal, `None` if the child could not be started.
    """

    code: int | None


@dataclass(frozen=True)
class BecameReady:
    """The readiness probe succeeded."""


@dataclass(frozen=True)
class DeadlinePassed:
    """The child lives but was not ready in time."""


@dataclass(frozen=True)
class Hung:
    """The child lives but has failed its health probe for too long."""


@dataclass(frozen=True)
class BackoffElapsed:
    """The delay before a restart is over."""


Event = StartRequested | StopRequested | Exited | BecameReady | DeadlinePassed | Hung | BackoffElapsed
Effects = tuple[Effect, ...]

TABLE: dict[tuple[State, type[Event]], tuple[State, Effects]] = {
    (State.NEW, StartRequested): (State.STARTING, (Effect.SPAWN, Effect.WATCH_READINESS)),
    (State.NEW, StopRequested): (State.STOPPED, (Effect.ANNOUNCE_STOPPED,)),
    (State.STARTING, BecameReady): (State.READY, (Effect.WATCH_HEALTH, Effect.ANNOUNCE_READY)),
    # A first start that fails is the owner's news, not a reason to try again: the cause is nearly always a mistake
    # in the program or its settings, and a retry would only delay the message.
    (State.STARTING, Exited): (State.FAILED, (Effect.ANNOUNCE_FAILURE,)),
    (State.STARTING, DeadlinePassed): (State.ABORTING, (Effect.KILL,)),
    (State.STARTING, StopRequested): (State.STOPPING, (Effect.TERMINATE,)),
    (State.ABORTING, Exited): (State.FAILED, (Effect.ANNOUNCE_FAILURE,)),
    (State.ABORTING, StopRequested): (State.STOPPING, ()),
    (State.READY, Exited): (State.WAITING, (Effect.SCHEDULE_RESTART,)),
    (State.READY, Hung): (State.REPLACING, (Effect.KILL,)),
    (State.READY, StopRequested): (State.STOPPING, (Effect.TERMINATE,)),
    (State.REPLACING, Exited): (State.WAITING, (Effect.SCHEDULE_RESTART,)),
    (State.REPLACING, StopRequested): (State.STOPPING, ()),
    (State.WAITING, BackoffElapsed): (State.RESTARTING, (Effect.SPAWN, Effect.WATCH_READINESS)),
    (State.WAITING, StopRequested): (State.STOPPED, (Effect.ANNOUNCE_STOPPED,)),
    (State.RESTARTING, BecameReady): (State.READY, (Effect.WATCH_HEALTH, Effect.ANNOUNCE_READY)),
    (State.RESTARTING, Exited): (State.WAITING, (Effect.SCHEDULE_RESTART,)),
    (State.RESTARTING, DeadlinePassed): (State.REPLACING, (Effect.KILL,)),
    (State.RESTARTING, StopRequested): (State.STOPPING, (Effect.TERMINATE,)),
    (State.STOPPING, Exited): (State.STOPPED, (Effect.ANNOUNCE_STOPPED,)),
}

_ENDED = (State.STOPPED, State.FAILED)
_KILLING = (State.ABORTING, State.REPLACING, State.STOPPING)

LATE: frozenset[tuple[State, type[Event]]] = frozenset(
    [(state, event) for state in (*_ENDED, *_KILLING, State.WAITING) for event in (BecameReady, DeadlinePassed, Hung)]
    + [(state, StopRequested) for state in (*_ENDED, State.STOPPING)]
    + [(state, BackoffElapsed) for state in (*_ENDED, State.STOPPING)]
    + [(State.READY, DeadlinePassed)]
)


class IllegalTransitionError(Exception):
    """The driver reported an event that cannot happen in this state."""


def apply(state: State, event: Event) -> tuple[State, Effects]:
    """The next state and the effects to perform, in order.

    Raises:
        IllegalTransitionError: the pair is neither a transition nor a late event.
    """
    key = (state, type(event))
    if key in TABLE:
        return TABLE[key]
    if key in LATE:
        return state, ()
    raise IllegalTransitionError(f"{type(event).__name__} cannot happen while the child is {state.value}")
