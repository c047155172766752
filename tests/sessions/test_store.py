"""Our stores keep the contract that ships with them."""

import os
from pathlib import Path
from typing import ClassVar, Unpack

import pytest

from fluxlit_sessions import MemorySessionStore, RedisSessionStore, SessionStore, SQLiteSessionStore, StoreOptions
from fluxlit_sessions.testing import MakeStore, SessionStoreContract
from tests.sessions.servers import PATIENT, RedisServer

HISTORIES = int(os.environ.get("FLUXLIT_TEST_HISTORIES", "1"))
"""Factor of the random histories that each store goes through; nightly runs set a higher one."""


class TestMemory(SessionStoreContract):
    examples: ClassVar[int] = 10 * HISTORIES
    shared: ClassVar[bool] = False

    @pytest.fixture
    def make_store(self) -> MakeStore:
        return MemorySessionStore


class TestSQLite(SessionStoreContract):
    examples: ClassVar[int] = 6 * HISTORIES

    @pytest.fixture
    def make_store(self, tmp_path: Path) -> MakeStore:
        def make(**options: Unpack[StoreOptions]) -> SessionStore:
            return SQLiteSessionStore(tmp_path / "sessions.db", timeout=60, **options)

        return make


def redis_stores(url: str, namespace: str) -> MakeStore:
    """Give each test a part of the server of its own."""

    def make(**options: Unpack[StoreOptions]) -> SessionStore:
        options["namespace"] = f"{namespace}.{options.get('namespace', 'default')}"
        return RedisSessionStore(url, **PATIENT, **options)

    return make


class TestRedis(SessionStoreContract):
    examples: ClassVar[int] = 4 * HISTORIES

    @pytest.fixture
    def make_store(self, redis_server: RedisServer, namespace: str) -> MakeStore:
        return redis_stores(redis_server.url, namespace)


class TestRedisCluster(SessionStoreContract):
    examples: ClassVar[int] = 2 * HISTORIES

    @pytest.fixture
    def make_store(self, cluster_url: str, namespace: str) -> MakeStore:
        return redis_stores(cluster_url, namespace)
