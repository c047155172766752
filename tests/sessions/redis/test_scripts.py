"""The Lua scripts: a full server, and clocks that run apart."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fluxlit_sessions import (
    SessionStoreFull,
)
from fluxlit_sessions.testing import ManualClock
from tests.sessions.servers import RedisServer


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
