"""Our stores keep the contract that ships with them."""

from pathlib import Path
from typing import ClassVar, Unpack

import pytest

from fluxlit_sessions import MemorySessionStore, RedisSessionStore, SessionStore, SQLiteSessionStore, StoreOptions
from fluxlit_sessions.testing import MakeStore, SessionStoreContract
from tests.sessions.servers import PATIENT, RedisServer


class TestMemory(SessionStoreContract):
    shared: ClassVar[bool] = False

    @pytest.fixture
    def make_store(self) -> MakeStore:
        return MemorySessionStore


class TestSQLite(SessionStoreContract):
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
    examples: ClassVar[int] = 10

    @pytest.fixture
    def make_store(self, redis_server: RedisServer, namespace: str) -> MakeStore:
        return redis_stores(redis_server.url, namespace)


class TestRedisCluster(SessionStoreContract):
    examples: ClassVar[int] = 3

    @pytest.fixture
    def make_store(self, cluster_url: str, namespace: str) -> MakeStore:
        return redis_stores(cluster_url, namespace)
