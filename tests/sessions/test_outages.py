"""Redis goes away and comes back: nothing is invented, nothing acknowledged is lost, nobody hangs."""

import asyncio
import itertools
import logging
import re
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions import (
    MemorySessionStore,
    RedisSessionStore,
    SessionConflict,
    SessionStoreFull,
    SessionStoreUnavailable,
)
from fluxlit_sessions.testing import ManualClock
from fluxlit_sessions.testing.clients import Clients
from tests.sessions.servers import PATIENT, RedisServer, needs_redis, running, wait_until, watched
from tests.support.ports import free_port

pytestmark = needs_redis
ROOT = Path(__file__).resolve().parents[2]
_numbers = itertools.count()


@pytest.fixture
def server(short_folder: Path) -> Iterator[RedisServer]:
    with running(RedisServer(short_folder / f"out{next(_numbers)}", persistent=True)) as server:
        yield server


@pytest.fixture(params=["blocking", "async"])
def clients(server: RedisServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    def make(**options: Any) -> RedisSessionStore:
        return RedisSessionStore(server.url, **{**PATIENT, **options})

    clients = Clients(make, use_async=request.param == "async")
    yield clients
    clients.end()


def later(seconds: float, action: Any) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_a_store_that_is_down_never_looks_empty(clients: Any, server: RedisServer) -> None:
    store: Any = clients(read_budget=0.1, write_budget=0.1)
    session = store.create({"n": 1})
    server.kill()
    for operation in (
        lambda: store.read(session.id),
        lambda: store.save(session, {}),
        store.create,
        lambda: store.rotate(session),
        lambda: store.touch(session.id),
        lambda: store.delete(session.id),
        lambda: store.take_once("p", session.id),
        store.count,
        lambda: list(store.list()),
        store.ping,
    ):
        with pytest.raises(SessionStoreUnavailable) as caught:
            operation()
        assert caught.value.location == server.url
        assert session.id not in str(caught.value)
    assert not store.available
    server.start()
    assert store.read(session.id) == session
    assert store.available


def test_a_restart_within_the_budget_is_not_noticed(clients: Any, server: RedisServer) -> None:
    store: Any = clients()
    session = store.create({"n": 0})
    server.kill()
    timer = later(0.3, server.start)
    saved = store.save(session, {"n": 1})
    timer.join()
    assert store.read(session.id) == saved
    assert saved.version == 2


def test_a_frozen_server_does_not_hold_a_caller(clients: Any, server: RedisServer) -> None:
    patient, store = clients(), clients(read_budget=0.3, write_budget=0.3, timeout=0.2)
    session = patient.create({"n": 0})
    server.signal(signal.SIGSTOP)
    try:
        for method, args in ((store.read, (session.id,)), (store.save, (session, {"n": 1}))):
            started = time.monotonic()
            with pytest.raises(SessionStoreUnavailable):
                method(*args)
            assert time.monotonic() - started < 60  # 0.5 s on an idle machine; the server itself never answers
    finally:
        server.signal(signal.SIGCONT)
    found = patient.read(session.id)
    assert found is not None
    assert found.data in ({"n": 0}, {"n": 1})  # the save was reported as in doubt


def test_an_outage_is_logged_once_and_so_is_its_end(
    clients: Any, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fluxlit_sessions")
    store: Any = clients(read_budget=0.05)
    store.ping()
    server.kill()
    for _ in range(3):
        with pytest.raises(SessionStoreUnavailable):
            store.ping()
    server.start()
    store.ping()
    store.ping()
    assert [(record.levelname, server.url in record.message) for record in caplog.records] == [
        ("WARNING", True),
        ("INFO", True),
    ]


def test_with_a_clock_of_its_own_a_store_loses_nothing_to_real_time(clients: Any, server: RedisServer) -> None:
    clock = ManualClock()
    store: Any = clients(clock=clock, idle_ttl=0.01, absolute_ttl=0.05, touch_interval=0)
    session, token = store.create({"n": 1}, subject="ada"), store.put_once("p", {"n": 1}, ttl=0.01)
    time.sleep(0.1)  # a stall of the machine, ten lifetimes long
    assert store.read(session.id) == session
    session = store.rotate(store.save(session, {"n": 2}))
    assert store.take_once("p", token) == {"n": 1}
    time.sleep(0.1)
    assert store.count(subject="ada") == 1
    clock.advance(0.01)
    assert (store.read(session.id), store.count()) == (None, 0)
    with server.client() as client:
        assert all(0 < client.pttl(key) < 90_000_000 for key in client.scan_iter())


def test_increments_survive_crashes_and_none_is_counted_twice(clients: Any, server: RedisServer) -> None:
    """Kill Redis again and again while a counter is counted up; its log of writes is on disk before it answers."""
    store: Any = clients()
    session = store.create({"n": 0})
    crashes, saves = 0, 0

    def worked(least: int) -> bool:
        return saves > least

    def crash() -> None:
        nonlocal crashes
        while crashes < 8:
            wait_until(partial(worked, 7 * crashes))  # let it work for a while between crashes
            server.kill()
            server.start()
            crashes += 1

    thread = threading.Thread(target=crash)
    thread.start()
    while thread.is_alive():
        session = store.save(session, {"n": session.data["n"] + 1})
        saves += 1
    thread.join()
    found = store.read(session.id)
    assert found is not None
    assert saves > 50
    assert (found.data, found.version) == ({"n": saves}, saves + 1)


def test_a_cancelled_call_leaves_the_connection_usable(server: RedisServer) -> None:
    async def story() -> None:
        store = RedisSessionStore(server.url, pool_size=2, **PATIENT)
        sessions = [await store.acreate({"n": number}) for number in range(4)]
        for _ in range(20):
            calls = [asyncio.create_task(store.aread(session.id)) for session in sessions]
            await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert [await store.aread(session.id) for session in sessions] == sessions
        await store.aclose()

    asyncio.run(story())


def test_one_store_serves_several_event_loops_and_threads(server: RedisServer) -> None:
    store = RedisSessionStore(server.url, **PATIENT)
    session = store.create({"n": 0})

    async def read_and_close() -> None:
        assert await store.aread(session.id) == session
        await store.aclose()

    for _ in range(3):
        asyncio.run(read_and_close())
    assert store.read(session.id) == session
    store.close()


def test_a_busy_pool_makes_callers_wait_and_not_fail(clients: Any) -> None:
    store: Any = clients(pool_size=1)
    session = store.create({"n": 0})

    async def many() -> list[Any]:
        inner = RedisSessionStore(store.location, pool_size=1, **PATIENT)
        found = await asyncio.gather(*[inner.aread(session.id) for _ in range(50)])
        await inner.aclose()
        return found

    assert asyncio.run(many()) == [session] * 50


def test_a_failover_by_sentinel_loses_nothing_acknowledged(short_folder: Path) -> None:
    with (
        watched(short_folder / "watched") as group,
        RedisSessionStore(group.url, replicas=1, **{**PATIENT, "timeout": 2}) as store,
    ):
        session = store.create({"n": 0})
        returns = threading.Thread(target=group.return_as_replica)
        for number in range(1, 31):
            if number == 15:
                group.primary.kill()
                returns.start()
            session = store.save(session, {"n": number})
        returns.join()
        assert store.read(session.id) == session
        assert session.version == 31

        async def elsewhere() -> None:
            async with RedisSessionStore(group.url, **PATIENT) as other:
                assert await other.aread(session.id) == session

        asyncio.run(elsewhere())


@pytest.mark.parametrize("use_async", [False, True], ids=["blocking", "async"])
def test_a_cluster_whose_node_crashes_keeps_its_sessions(
    cluster_nodes: list[RedisServer], cluster_url: str, namespace: str, *, use_async: bool
) -> None:
    def make(**options: Any) -> RedisSessionStore:
        return RedisSessionStore(cluster_url, namespace=namespace, **PATIENT, **options)

    clients = Clients(make, use_async=use_async)
    store: Any = clients()
    for node in cluster_nodes:
        with node.client() as client:
            client.config_set("appendfsync", "always")  # a crash loses nothing that was acknowledged
    sessions = [store.create({"n": 0}) for _ in range(30)]  # on all three nodes
    cluster_nodes[1].kill()
    timer = later(0.5, cluster_nodes[1].start)
    saved = [store.save(session, {"n": 1}) for session in sessions]
    timer.join()
    assert [store.read(session.id) for session in sessions] == saved
    assert store.count() == 30
    clients.end()


def test_a_cluster_that_is_down_never_looks_empty(namespace: str) -> None:
    port = free_port()
    with RedisSessionStore(f"redis+cluster://127.0.0.1:{port}", read_budget=0.1, namespace=namespace) as store:
        session_id = MemorySessionStore(namespace=namespace).create().id
        for operation in (lambda: store.read(session_id), store.count):
            with pytest.raises(SessionStoreUnavailable):
                operation()

    async def story() -> None:
        async with RedisSessionStore(f"redis+cluster://127.0.0.1:{port}", read_budget=0.1) as store:
            with pytest.raises(SessionStoreUnavailable):
                await store.aread(session_id)
            with pytest.raises(SessionStoreUnavailable):
                await store.acount()

    asyncio.run(story())


@pytest.mark.parametrize("use_async", [False, True], ids=["blocking", "async"])
def test_a_server_of_a_cluster_says_so_when_it_is_taken_for_a_single_one(
    cluster_nodes: list[RedisServer], namespace: str, *, use_async: bool
) -> None:
    clients = Clients(
        lambda **options: RedisSessionStore(cluster_nodes[0].url, namespace=namespace, **PATIENT, **options),
        use_async=use_async,
    )
    store: Any = clients()
    hint = r"Write redis\+cluster:// in place of redis://"
    with pytest.raises(SessionStoreUnavailable, match=hint) as caught:
        store.ping()
    assert caught.value.attempts == 1
    with pytest.raises(SessionStoreUnavailable, match=hint) as caught:
        list(map(store.create, [{}] * 100))
    assert (caught.value.attempts, caught.value.may_have_applied) == (1, False)
    clients.end()


def test_a_write_that_no_replica_confirms_is_not_acknowledged(server: RedisServer) -> None:
    with RedisSessionStore(server.url, replicas=1, **{**PATIENT, "write_budget": 0.1}) as store:
        store._backend._transport._wait = ("WAIT", 1, 1)  # type: ignore[attr-defined]  # 1 ms in place of 30 s
        with pytest.raises(SessionStoreUnavailable, match="0 of 1 replicas") as caught:
            store.create()
        assert caught.value.may_have_applied


def test_a_demoted_primary_is_not_written_to(server: RedisServer) -> None:
    with RedisSessionStore(server.url, **PATIENT) as store:
        session = store.create({"n": 0})
        with server.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
            timer = later(0.3, lambda: client.execute_command("REPLICAOF", "NO", "ONE"))
            saved = store.save(session, {"n": 1})
            timer.join()
            wait_until(lambda: client.info("replication")["role"] == "master")
        assert store.read(session.id) == saved


def test_a_full_server_refuses_new_data_at_once_and_goes_on_with_what_it_has(
    clients: Any, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    store: Any = clients(clock=clock)
    session, other = store.create({"n": 0}, subject="ada"), store.create({"n": 0}, subject="bob")
    token = store.put_once("login", {"n": 1}, ttl=3600)
    with server.client() as client:
        client.config_set("maxmemory", 1)
    for attempt in (store.create, lambda: store.put_once("p", {}, ttl=60), lambda: store.save(session, {"n": "more"})):
        with pytest.raises(SessionStoreFull, match="is full: Redis has reached its maxmemory") as caught:
            attempt()
        assert (caught.value.attempts, caught.value.may_have_applied, store.available) == (1, False, True)
    clock.advance(3000)
    assert store.read(session.id, touch=True).expires_at > session.expires_at
    assert store.touch(other.id) > other.expires_at
    assert store.take_once("login", token) == {"n": 1}
    saved = store.save(session, {"n": 1})
    moved = store.rotate(saved, subject="ada")
    assert store.read(moved.id) == moved
    store.delete(moved.id)
    assert (store.delete_subject("bob"), store.count()) == (1, 0)
    assert [record.message for record in caplog.records if "is full" in record.message] == [
        f"session store {server.url} is full: {caught.value.reason}"
    ]


def test_vital_records_are_written_to_a_full_server(clients: Any, server: RedisServer) -> None:
    store: Any = clients(vital=True)
    with server.client() as client:
        client.config_set("maxmemory", 1)
    session = store.create({"n": 0}, subject="ada")
    assert store.save(session, {"n": "more"}).version == 2
    with pytest.raises(SessionStoreFull):
        store.put_once("login", {}, ttl=60)


def test_a_wrong_password_is_reported_at_once_and_not_repeated_in_the_message(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("requirepass", "right-password")
    url = server.url.replace("unix://", "unix://:wrong-password@")
    with RedisSessionStore(url, **PATIENT) as store, pytest.raises(SessionStoreUnavailable) as caught:
        store.ping()
    assert caught.value.attempts == 1
    assert "password@" not in str(caught.value)
    assert "wrong-password" not in str(caught.value) + repr(store)
    with RedisSessionStore(url.replace("wrong", "right"), **PATIENT) as store:
        store.ping()


def test_a_user_with_the_documented_permissions_can_do_everything(server: RedisServer) -> None:
    page = (ROOT / "docs" / "reference" / "sessions.md").read_text()
    granted = " ".join(re.findall(r"`(~fluxlit:\*)`.*?`(\+get[^`]*)`", page, re.DOTALL)[0]).split()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">s3cret", *granted)
    with RedisSessionStore(server.url.replace("unix://", "unix://app:s3cret@"), **PATIENT) as store:
        session = store.rotate(store.save(store.create({"a": 1}, subject="ada"), {"a": 2}), subject="bob")
        store.touch(session.id)
        store.ping()
        assert store.read(session.id) == session
        assert store.take_once("p", store.put_once("p", {}, ttl=3600)) == {}
        assert [info.handle for info in store.list()] == [session.handle]
        store.delete(session.id)
        store.create(subject="bob")
        assert (store.delete_subject("bob"), store.count(subject="ada"), store.count()) == (1, 0, 0)


def test_two_writers_over_a_crash_agree_on_who_won(server: RedisServer) -> None:
    with RedisSessionStore(server.url, **PATIENT) as one, RedisSessionStore(server.url, **PATIENT) as two:
        session = one.create({"n": 0})
        server.kill()
        timer = later(0.2, server.start)
        won = one.save(session, {"n": 1})
        with pytest.raises(SessionConflict):
            two.save(session, {"n": 2})
        timer.join()
        assert two.read(session.id) == won
