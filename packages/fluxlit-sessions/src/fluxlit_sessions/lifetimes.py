"""Lifetimes of sessions in ms: a sliding limit and an absolute one."""

from __future__ import annotations

from dataclasses import dataclass

from fluxlit_sessions.errors import SessionStoreError


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The limits of one session, in milliseconds.

    Attributes:
        idle: it ends this long after its last use.
        absolute: it ends this long after its creation, however much it is used.
        throttle: a use within this time of the last recorded one writes nothing.
    """

    idle: int
    absolute: int
    throttle: int = 0

    @classmethod
    def of_seconds(cls, idle: float, absolute: float, throttle: float | None) -> Lifetimes:
        """Returns checked limits.

        `throttle` defaults to one minute, at most a tenth of `idle`.
        """
        chosen = min(60.0, idle / 10) if throttle is None else throttle
        if not 0.001 <= idle <= absolute:
            raise SessionStoreError(f"idle_ttl must be positive and at most absolute_ttl, not {idle} and {absolute}.")
        if not 0 <= chosen < idle:
            raise SessionStoreError(
                f"touch_interval must be below idle_ttl, or sessions in use would expire: {chosen} and {idle} seconds."
            )
        return cls(int(idle * 1000), int(absolute * 1000), int(chosen * 1000))

    def first(self, now: int) -> tuple[int, int]:
        """Returns when a session created `now` expires, idle and absolute."""
        return now + self.idle, now + self.absolute

    def slide(self, now: int, absolute: int) -> int:
        """Returns when a session used `now` expires, given its absolute end."""
        return min(now + self.idle, absolute)

    def due(self, now: int, touched: int) -> bool:
        """Returns whether a use `now` is to be recorded, given the last one."""
        return now - touched >= self.throttle
