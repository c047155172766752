"""A Redis server of its own for each test that stops or fills it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions import (
    RedisSessionStore,
)
from fluxlit_sessions.testing.clients import Clients
from tests.sessions.servers import BINARY, PATIENT, RedisServer, running

_numbers = itertools.count()


@pytest.fixture
def server(short_folder: Path) -> Iterator[RedisServer]:
    if BINARY is None:
        pytest.skip("needs redis-server")
    with running(RedisServer(short_folder / f"out{next(_numbers)}", persistent=True)) as server:
        yield server


@pytest.fixture(params=["blocking", "async"])
def clients(server: RedisServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    def make(**options: Any) -> RedisSessionStore:
        return RedisSessionStore(server.url, **{**PATIENT, **options})

    clients = Clients(make, use_async=request.param == "async")
    yield clients
    clients.end()
