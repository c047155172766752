"""Random histories of one store, compared step by step with a plain dict."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fluxlit_sessions.errors import SessionConflict, SessionNotFound
from fluxlit_sessions.session import KEEP, Session
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.testing.clients import Clients
from fluxlit_sessions.testing.clock import ManualClock

MINUTE = 60
# Long against any stall of the machine: a store may drop entries by real time, which no test clock holds up.
IDLE, ABSOLUTE, THROTTLE = 100 * MINUTE, 300 * MINUTE, 10 * MINUTE

DATA = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8)
        | st.binary(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
SUBJECTS = st.sampled_from([None, "ada", "bob"])
_numbers = itertools.count()


@dataclass
class Expected:
    """The model of one live session."""

    session_id: str
    data: dict[str, Any]
    version: int
    subject: str | None
    touched: float
    expires: float
    absolute: float


def store_machine(clients: Clients) -> type[RuleBasedStateMachine]:  # noqa: C901 - a class in a closure
    """Returns a state machine over stores of `clients`, one for each history."""

    class StoreMachine(RuleBasedStateMachine):
        """A dict of expected sessions next to the store."""

        store: SessionStore

        @initialize()
        def open(self) -> None:
            self.clock = ManualClock()
            self.store = clients(
                clock=self.clock,
                namespace=f"history-{next(_numbers)}",
                idle_ttl=IDLE,
                absolute_ttl=ABSOLUTE,
                touch_interval=THROTTLE,
            )
            self.live: dict[str, Expected] = {}
            self.known: list[Session] = []  # every session value ever returned: also old versions and dead ids
            self.tokens: dict[str, tuple[dict[str, Any], float]] = {}

        def teardown(self) -> None:
            clients.close()

        # Helpers

        def _expected(self, session_id: str) -> Expected | None:
            found = self.live.get(session_id)
            return found if found is not None and self.clock.now < found.expires else None

        def _use(self, found: Expected) -> None:
            found.touched = self.clock.now
            found.expires = min(self.clock.now + IDLE, found.absolute)

        def _agree(self, session: Session, found: Expected) -> None:
            assert session.data == found.data
            assert (session.version, session.subject) == (found.version, found.subject)
            assert session.expires_at == datetime.fromtimestamp(found.expires, UTC)

        def _pick(self, number: int) -> Session | None:
            return self.known[number % len(self.known)] if self.known else None

        # Rules

        @rule(data=DATA, subject=SUBJECTS)
        def create(self, data: dict[str, Any], subject: str | None) -> None:
            session = self.store.create(data, subject=subject)
            assert session.id not in self.live
            now = self.clock.now
            self.live[session.id] = Expected(session.id, data, 1, subject, now, now + IDLE, now + ABSOLUTE)
            self._agree(session, self.live[session.id])
            self.known.append(session)

        @rule(number=st.integers(0, 99), touch=st.booleans())
        def read(self, number: int, *, touch: bool) -> None:
            if (picked := self._pick(number)) is None:
                return
            found, expected = self.store.read(picked.id, touch=touch), self._expected(picked.id)
            if expected is None:
                assert found is None
                return
            if touch and self.clock.now - expected.touched >= THROTTLE:
                self._use(expected)
            assert found is not None
            self._agree(found, expected)
            self.known.append(found)

        @rule(number=st.integers(0, 99), data=DATA)
        def save(self, number: int, data: dict[str, Any]) -> None:
            if (picked := self._pick(number)) is None:
                return
            expected = self._expected(picked.id)
            if expected is None:
                with pytest.raises(SessionNotFound):
                    self.store.save(picked, data)
            elif expected.version != picked.version:
                with pytest.raises(SessionConflict) as caught:
                    self.store.save(picked, data)
                assert caught.value.found == expected.version
            else:
                expected.data, expected.version = data, expected.version + 1
                self._use(expected)
                saved = self.store.save(picked, data)
                self._agree(saved, expected)
                self.known.append(saved)

        @rule(number=st.integers(0, 99), data=st.none() | DATA, subject=st.just(KEEP) | SUBJECTS)
        def rotate(self, number: int, data: dict[str, Any] | None, subject: Any) -> None:
            if (picked := self._pick(number)) is None:
                return
            expected = self._expected(picked.id)
            if expected is None or expected.version != picked.version:
                with pytest.raises(SessionNotFound if expected is None else SessionConflict):
                    self.store.rotate(picked, data, subject=subject)
                return
            rotated = self.store.rotate(picked, data, subject=subject)
            assert rotated.id not in self.live
            del self.live[picked.id]
            expected.session_id, expected.version = rotated.id, expected.version + 1
            expected.data = expected.data if data is None else data
            expected.subject = expected.subject if subject is KEEP else subject
            self._use(expected)
            self.live[rotated.id] = expected
            self._agree(rotated, expected)
            self.known.append(rotated)

        @rule(number=st.integers(0, 99))
        def touch(self, number: int) -> None:
            if (picked := self._pick(number)) is None:
                return
            expected = self._expected(picked.id)
            if expected is None:
                with pytest.raises(SessionNotFound):
                    self.store.touch(picked.id)
                return
            if self.clock.now - expected.touched >= THROTTLE:
                self._use(expected)
            assert self.store.touch(picked.id) == datetime.fromtimestamp(expected.expires, UTC)

        @rule(number=st.integers(0, 99), by_handle=st.booleans())
        def delete(self, number: int, *, by_handle: bool) -> None:
            if (picked := self._pick(number)) is not None:
                self.live.pop(picked.id, None)
                if by_handle:
                    self.store.revoke(picked.handle)
                else:
                    self.store.delete(picked.id)

        @rule(subject=st.sampled_from(["ada", "bob"]))
        def delete_subject(self, subject: str) -> None:
            doomed = [key for key in self.live if (item := self._expected(key)) and item.subject == subject]
            assert self.store.delete_subject(subject) == len(doomed)
            for key in doomed:
                del self.live[key]

        @rule(data=DATA, minutes=st.integers(1, 50))
        def put_once(self, data: dict[str, Any], minutes: int) -> None:
            token = self.store.put_once("machine", data, ttl=minutes * MINUTE)
            self.tokens[token] = (data, self.clock.now + minutes * MINUTE)

        @rule(number=st.integers(0, 99))
        def take_once(self, number: int) -> None:
            if not self.tokens:
                return
            token = list(self.tokens)[number % len(self.tokens)]
            data, expires = self.tokens[token]
            assert self.store.take_once("machine", token) == (data if self.clock.now < expires else None)
            self.tokens[token] = ({}, 0)

        @rule(minutes=st.sampled_from([1, 9, 10, 50, 99, 100, 250]))
        def wait(self, minutes: int) -> None:
            self.clock.advance(minutes * MINUTE)

        @invariant()
        def the_listing_agrees(self) -> None:
            if not hasattr(self, "live"):
                return
            alive = [item for key in self.live if (item := self._expected(key))]
            assert self.store.count() == len(alive)
            assert sorted((info.subject or "", info.version) for info in self.store.list()) == sorted(
                (item.subject or "", item.version) for item in alive
            )

        @rule(subject=st.sampled_from(["ada", "bob"]))
        def list_subject(self, subject: str) -> None:
            alive = [item.version for key in self.live if (item := self._expected(key)) and item.subject == subject]
            assert sorted(info.version for info in self.store.list(subject=subject)) == sorted(alive)
            assert self.store.count(subject=subject) == len(alive)

    return StoreMachine
