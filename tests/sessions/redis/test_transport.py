"""Outages of Redis: nothing acknowledged is lost, and no caller hangs."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions import (
    MemorySessionStore,
    RedisSessionStore,
    SessionConflict,
    SessionStoreUnavailable,
)
from fluxlit_sessions.testing.clients import Clients
from tests.sessions.servers import PATIENT, RedisServer, Watched, needs_redis, running, wait_until, watched
from tests.support.ports import free_port


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


def test_increments_survive_crashes_and_none_is_counted_twice(clients: Any, server: RedisServer) -> None:
    """Kill Redis again and again while a counter grows.

    Its log of writes is on disk before it replies.
    """
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


@pytest.mark.slow
@needs_redis
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


@needs_redis
@pytest.mark.parametrize("use_async", [False, True], ids=["blocking", "async"])
def test_a_replica_that_a_late_sentinel_names_never_looks_empty(short_folder: Path, *, use_async: bool) -> None:
    """The old primary may have come back without data."""
    group = Watched(short_folder / "watched", files=None)
    follow = ("--replicaof", f"127.0.0.1 {free_port()}")
    server = RedisServer(short_folder / "returned", *follow, port=group.primary.port)
    with running(server), running(group.sentinels[0]):
        impatient = {**PATIENT, "read_budget": 0.1, "write_budget": 0.1}
        clients = Clients(partial(RedisSessionStore, group.url, **impatient), use_async=use_async)
        store: Any = clients()
        session = MemorySessionStore().create()
        for operation in (lambda: store.read(session.id), lambda: store.save(session, {"n": 1}), store.count):
            with pytest.raises(SessionStoreUnavailable):
                operation()
        clients.end()


@needs_redis
@pytest.mark.parametrize("use_async", [False, True], ids=["blocking", "async"])
def test_a_user_of_redis_without_role_works_behind_a_sentinel(short_folder: Path, *, use_async: bool) -> None:
    group = Watched(short_folder / "watched", files=None)
    with running(group.primary), running(group.sentinels[0]):
        with group.primary.client() as client:
            client.execute_command("ACL", "SETUSER", "default", "-role")
        clients = Clients(partial(RedisSessionStore, group.url, **PATIENT), use_async=use_async)
        store: Any = clients()
        session = store.create({"n": 1})
        assert store.read(session.id) == session
        clients.end()


@pytest.mark.parametrize("use_async", [False, True], ids=["blocking", "async"])
def test_a_cluster_with_a_crashed_node_keeps_its_sessions(
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


RISKS = ("maxmemory-policy allkeys-lru", "maxmemory-policy volatile-ttl", "appendonly no")


@pytest.mark.parametrize(
    ("policy", "aof", "named"),
    [
        ("noeviction", "yes", []),
        ("noeviction", "no", ["appendonly no"]),
        ("allkeys-lru", "yes", ["maxmemory-policy allkeys-lru"]),
        ("volatile-ttl", "no", ["maxmemory-policy volatile-ttl", "appendonly no"]),
    ],
)
def test_a_server_that_may_lose_sessions_is_named(server: RedisServer, policy: str, aof: str, named: list[str]) -> None:
    client = server.client()
    client.config_set("maxmemory-policy", policy)
    client.config_set("appendonly", aof)
    store = RedisSessionStore(server.url)
    advice = store.advice()
    assert [risk for risk in RISKS if risk in advice] == named
    assert bool(advice) is bool(named)
    client.execute_command("ACL", "SETUSER", "default", "-info")
    assert store.advice() == "", "managed servers may not permit it"
    store.close()
    client.close()
    assert MemorySessionStore().advice() == ""
