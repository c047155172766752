"""A command that is executed twice has the effect of one, in all backends."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions.commands import Backend, Conflict, Create, Delete, Move, Read, Replace, Take, Touch
from fluxlit_sessions.ids import Ids, Key, Kind
from fluxlit_sessions.lifetimes import Lifetimes
from fluxlit_sessions.memory import MemoryBackend
from fluxlit_sessions.record import (
    HISTORY,
    NO_TAG,
    Header,
    Record,
    new_token,
)
from fluxlit_sessions.redis.address import parse
from fluxlit_sessions.redis.backend import _backend
from fluxlit_sessions.sqlite import SQLiteBackend
from tests.sessions.servers import PATIENT, RedisServer

HOUR = 3_600_000
LIFE = Lifetimes(HOUR, 24 * HOUR, 0)
TAG = b"t" * 32


@pytest.fixture(params=["memory", "sqlite", "redis"])
def backend(
    request: pytest.FixtureRequest, tmp_path: Path, namespace: str, redis_server: RedisServer
) -> Iterator[Backend]:
    makers: dict[str, Any] = {
        "memory": MemoryBackend,
        "sqlite": lambda: SQLiteBackend(tmp_path / "s.db", namespace, time.time, 60),
        "redis": lambda: _backend(parse(redis_server.url), {**PATIENT, "namespace": namespace}),
    }
    backend: Backend = makers[request.param]()
    yield backend
    backend.close()


def key() -> Key:
    return Ids("n").mint(shard=7).key


def create(key: Key, tag: bytes = NO_TAG) -> Create:
    return Create(key, new_token(), LIFE, b"one", tag, b"name" if tag != NO_TAG else b"")


def replace(key: Key, expected: int, envelope: bytes = b"two") -> Replace:
    return Replace(key, expected, new_token(), LIFE, envelope)


def test_creating_twice_is_creating_once(backend: Backend) -> None:
    command = create(key(), TAG)
    first, again = backend.execute(command), backend.execute(command)
    assert isinstance(first, Header)
    assert isinstance(again, Header)
    assert (first.version, first.history, first.created, first.tag) == (1, again.history, again.created, TAG)
    assert backend.execute(Read(command.key)) == Record(first, b"name", b"one")


def test_replacing_twice_is_replacing_once(backend: Backend) -> None:
    where = key()
    backend.execute(create(where, TAG))
    command = replace(where, 1)
    first, again = backend.execute(command), backend.execute(command)
    assert isinstance(first, Header)
    assert isinstance(again, Header)
    assert (first.version, again.version) == (2, 2)
    stored = backend.execute(Read(where))
    assert stored is not None
    assert (stored.header.version, stored.subject, stored.envelope) == (2, b"name", b"two")


def test_a_write_is_recognised_under_later_ones_as_long_as_history_reaches(backend: Backend) -> None:
    where = key()
    backend.execute(create(where))
    mine = replace(where, 1, b"mine")
    assert isinstance(backend.execute(mine), Header)
    for version in range(2, HISTORY + 1):
        assert isinstance(backend.execute(replace(where, version, b"theirs")), Header)
        again = backend.execute(mine)
        assert isinstance(again, Header)
        assert again.version == 2
    backend.execute(replace(where, HISTORY + 1))
    assert backend.execute(mine) == Conflict(HISTORY + 2)
    assert backend.execute(replace(where, 1)) == Conflict(HISTORY + 2)


def test_moving_twice_is_moving_once(backend: Backend) -> None:
    old, new = key(), key()
    backend.execute(create(old, TAG))
    command = Move(old, new, 1, new_token(), LIFE, b"moved", TAG, NO_TAG, b"")
    first, again = backend.execute(command), backend.execute(command)
    assert isinstance(first, Header)
    assert isinstance(again, Header)
    assert (first.version, again.version, first.tag) == (2, 2, NO_TAG)
    assert backend.execute(Read(old)) is None
    assert backend.execute(Move(old, key(), 1, new_token(), LIFE, b"x", TAG, NO_TAG, b"")) is None


def test_taking_twice_with_one_token_gives_the_value_twice_and_to_no_other_token(backend: Backend) -> None:
    where = Ids("n").mint(Kind.ONCE).key
    backend.execute(create(where))
    command = Take(where, new_token(), HOUR)
    first, again = backend.execute(command), backend.execute(command)
    assert isinstance(first, Record)
    assert isinstance(again, Record)
    assert (first.envelope, again.envelope) == (b"one", b"one")
    assert backend.execute(Take(where, new_token(), HOUR)) == Conflict(2)
    backend.execute(create(where))  # a late repetition of the creation does not fill it again
    assert backend.execute(Take(where, new_token(), HOUR)) == Conflict(2)


def test_what_is_missing_is_missing(backend: Backend) -> None:
    where = key()
    backend.execute(Delete(where))
    assert backend.execute(Read(where)) is None
    assert backend.execute(Read(where, LIFE)) is None
    assert backend.execute(Touch(where, LIFE)) is None
    assert backend.execute(replace(where, 1)) is None
