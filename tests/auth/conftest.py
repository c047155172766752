"""What the tests of logins share."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fluxlit_auth.http_client import HttpClient
from tests.auth.hostile import HostileProvider
from tests.sessions.servers import BINARY, RedisServer, running


class Clock:
    """Seconds that pass when a test lets them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hostile(clock: Clock) -> HostileProvider:
    return HostileProvider(clock=clock)


@pytest.fixture
def web(hostile: HostileProvider) -> HttpClient:
    return HttpClient(httpx.ASGITransport(app=hostile))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    if BINARY is None:
        pytest.skip("needs redis-server")
    folder = Path(tempfile.mkdtemp(prefix="flx"))
    with running(RedisServer(folder / "logins")) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "redis"])
def shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that replicas share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 's.db'}"
    server: RedisServer = request.getfixturevalue("redis_server")
    return f"{server.url}?namespace=test-{secrets.token_hex(4)}"
