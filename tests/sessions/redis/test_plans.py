"""One operation is one round trip; a lost response doubles no write."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions import RedisSessionStore, SessionNotFound, SessionStoreUnavailable
from fluxlit_sessions.record import HISTORY
from fluxlit_sessions.testing.clients import Clients
from tests.sessions.lossy import LossyRelay, lossy
from tests.sessions.servers import PATIENT, RedisServer

_numbers = itertools.count()


@pytest.fixture
def relay(redis_server: RedisServer, short_folder: Path) -> Iterator[LossyRelay]:
    with lossy(short_folder / f"lossy{next(_numbers)}", redis_server.socket) as relay:
        yield relay


@pytest.fixture(params=["blocking", "async"])
def store(relay: LossyRelay, namespace: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    def make(**options: Any) -> RedisSessionStore:
        return RedisSessionStore(relay.url, namespace=namespace, **PATIENT, **options)

    clients = Clients(make, use_async=request.param == "async")
    yield clients()
    clients.end()


def exchanges(relay: LossyRelay, operation: Callable[[], object]) -> int:
    before = relay.exchanges
    operation()
    return relay.exchanges - before


def test_every_operation_is_one_round_trip(store: Any, relay: LossyRelay) -> None:
    warm = store.rotate(store.save(store.create(), {}))  # the scripts are loaded, the connection is open
    store.touch(warm.id)
    store.take_once("p", store.put_once("p", {}, ttl=3600))
    session = store.create({"a": 1}, subject="ada")
    moved: list[Any] = []
    token: list[str] = []
    operations: dict[str, Callable[[], object]] = {
        "create": lambda: store.create({"a": 1}, subject="ada"),
        "read": lambda: store.read(session.id),
        "read and touch": lambda: store.read(session.id, touch=True),
        "touch": lambda: store.touch(session.id),
        "save": lambda: moved.append(store.save(session, {"a": 2})),
        "rotate": lambda: moved.append(store.rotate(moved[0], subject="bob")),
        "delete": lambda: store.delete(moved[1].id),
        "revoke": lambda: store.revoke(moved[1].handle),
        "put": lambda: token.append(store.put_once("p", {}, ttl=3600)),
        "take": lambda: store.take_once("p", token[0]),
        "forged": lambda: store.read("forged"),
    }
    counted = {name: exchanges(relay, operation) for name, operation in operations.items()}
    assert counted == {**dict.fromkeys(operations, 1), "forged": 0}


def test_a_forgotten_script_is_sent_again(store: Any, redis_server: RedisServer) -> None:
    session = store.create({"n": 0})
    with redis_server.client() as client:
        client.script_flush()
    assert store.save(session, {"n": 1}).version == 2


@pytest.mark.parametrize("lost", [1, 2])
def test_a_save_with_a_lost_response_happens_once(store: Any, relay: LossyRelay, lost: int) -> None:
    session = store.create({"n": 0})
    store.save(store.create(), {})  # the script is known, so that the lost response is that of the write
    relay.lose = lost
    saved = store.save(session, {"n": 1})
    assert relay.lose == 0
    assert (saved.version, saved.data) == (2, {"n": 1})
    assert store.read(session.id) == saved


def test_a_creation_with_a_lost_response_happens_once(store: Any, relay: LossyRelay) -> None:
    store.create()
    relay.lose = 2
    session = store.create({"n": 0}, subject="ada")
    assert (relay.lose, session.version, store.count(), store.count(subject="ada")) == (0, 1, 2, 1)


def test_a_rotation_with_a_lost_response_happens_once(store: Any, relay: LossyRelay) -> None:
    session = store.rotate(store.create({"n": 0}, subject="ada"))
    relay.lose = 2
    moved = store.rotate(session, {"n": 1}, subject="bob")
    assert (relay.lose, moved.version, store.count()) == (0, 3, 1)
    assert store.read(moved.id) == moved
    assert (store.count(subject="ada"), store.count(subject="bob")) == (0, 1)


def test_a_value_with_a_lost_response_still_reaches_its_taker(store: Any, relay: LossyRelay) -> None:
    store.take_once("p", store.put_once("p", {}, ttl=3600))
    token = store.put_once("p", {"n": 1}, ttl=3600)
    relay.lose = 2
    assert store.take_once("p", token) == {"n": 1}
    assert relay.lose == 0
    assert store.take_once("p", token) is None


def test_a_deletion_with_a_lost_response_stays_done(store: Any, relay: LossyRelay) -> None:
    session = store.create()
    relay.lose = 1
    store.delete(session.id)
    with pytest.raises(SessionNotFound):
        store.save(session, {})


class Waits:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_missing_responses_are_reported_as_doubt(
    relay: LossyRelay, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxlit_sessions.redis.transport.time", Waits())
    options = {**PATIENT, "write_budget": 1, "read_budget": 0.2}
    with RedisSessionStore(relay.url, namespace=namespace, **options) as store:
        session = store.save(store.create(), {})  # the script is known, so that the lost response is that of the write
        relay.lose = 1000
        with pytest.raises(SessionStoreUnavailable, match="may or may not have happened") as caught:
            store.save(session, {"n": 1})
        assert caught.value.may_have_applied
        assert caught.value.operation == "save"
        assert caught.value.attempts > 1
        with pytest.raises(SessionStoreUnavailable) as caught:
            store.read(session.id)
        assert not caught.value.may_have_applied
        relay.lose = 0
        found = store.read(session.id)
        assert found is not None
        assert found.version == session.version + 1


@pytest.mark.parametrize(("others", "known"), [(HISTORY - 1, True), (HISTORY, False)])
def test_a_write_buried_under_many_others_is_recognised_or_reported(
    relay: LossyRelay, redis_server: RedisServer, namespace: str, others: int, *, known: bool
) -> None:
    with (
        RedisSessionStore(relay.url, namespace=namespace, **PATIENT) as store,
        RedisSessionStore(redis_server.url, namespace=namespace, **PATIENT) as direct,
    ):
        session = store.save(store.create(), {})

        def bury() -> None:
            for _ in range(others):
                found = direct.read(session.id)
                assert found is not None
                direct.save(found, {"n": "theirs"})

        relay.lose, relay.on_loss = 1, bury
        if known:
            assert store.save(session, {"n": "mine"}).version == session.version + 1
        else:
            with pytest.raises(SessionStoreUnavailable, match="many times") as caught:
                store.save(session, {"n": "mine"})
            assert caught.value.may_have_applied
        found = store.read(session.id)
        assert found is not None
        assert found.version == session.version + 1 + others


def test_a_listing_ignores_keys_of_other_programs(redis_server: RedisServer, namespace: str) -> None:
    with RedisSessionStore(redis_server.url, namespace=namespace) as store, redis_server.client() as client:
        mine = store.create(subject="ada")
        begin = f"fluxlit:1:{namespace}:"
        client.set(f"{begin}{{00}}:s:not a digest", b"x" * 200)
        client.set(f"{begin}{{00}}:s:{'A' * 43}", b"x")
        client.set(f"{begin}{{zz}}:s:{'A' * 43}", b"x" * 200)
        client.rpush(f"{begin}{{01}}:s:{'A' * 43}", "a list")
        client.set(f"{begin}{{02}}:s:{'A' * 43}", b"\xff" * 300)
        assert mine.handle in [each.handle for each in store.list()]
