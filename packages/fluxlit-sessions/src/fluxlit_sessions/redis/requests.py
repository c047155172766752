"""Requests to Redis and replies, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fluxlit_sessions.redis.scripts import Script

Arg = bytes | str | int


@dataclass(frozen=True, slots=True)
class Call:
    """One Redis command or script.

    Attributes:
        args: the command and its arguments; for a script its arguments only.
        script: the script to run, if any.
        keys: the keys of the script.
    """

    args: tuple[Arg, ...]
    script: Script | None = None
    keys: tuple[bytes, ...] = ()

    def wire(self, *, load: bool = False) -> tuple[Arg, ...]:
        """Returns the words to send; `load` sends a script's source, not its hash."""
        if self.script is None:
            return self.args
        name: tuple[str, str] = ("EVAL", self.script.source) if load else ("EVALSHA", self.script.sha)
        return (*name, len(self.keys), *self.keys, *self.args)


@dataclass(frozen=True, slots=True)
class Request:
    """Calls that go out together, in one round trip.

    Attributes:
        calls: what to send.
        write: it changes something.
        node: of a Cluster, the primary to ask, counted in order of name; `None` to go by key.
    """

    calls: tuple[Call, ...]
    write: bool = False
    node: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The replies to a request.

    Attributes:
        values: one for each call, as redis-py gives them.
        attempts: how often it was sent; more than once means that an earlier one may have done the work.
        nodes: number of primaries.
    """

    values: tuple[Any, ...]
    attempts: int = 1
    nodes: int = 1
