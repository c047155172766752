"""Redis servers that tests share, each test in a namespace of its own."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis._parsers import AsyncCommandsParser, CommandsParser

from fluxlit_sessions import RedisSessionStore, SQLiteSessionStore
from tests.sessions.dumps import Dump, redis_dump
from tests.sessions.servers import BINARY, PATIENT, RedisServer, cluster, running

_numbers = itertools.count()


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder with a short path, for UNIX sockets (at most 107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="flx"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def redis_server(short_folder: Path) -> Iterator[RedisServer]:
    if BINARY is None:
        pytest.skip("needs redis-server")
    with running(RedisServer(short_folder / "single")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_nodes(short_folder: Path) -> Iterator[list[RedisServer]]:
    if BINARY is None:
        pytest.skip("needs redis-server")
    with cluster(short_folder / "cluster") as nodes:
        yield nodes


@pytest.fixture(scope="session")
def known_commands() -> Iterator[None]:
    """Let clients of a Cluster share its commands, which take long to read."""
    known: dict[type, dict[str, Any]] = {}

    def initialize(self: Any, client: Any) -> None:
        if CommandsParser not in known:
            plain(self, client)
            known[CommandsParser] = self.commands
        self.commands = known[CommandsParser]

    async def ainitialize(self: Any, node: Any = None) -> None:
        self.node = node or self.node
        if AsyncCommandsParser not in known:
            await aplain(self, node)
            known[AsyncCommandsParser] = self.commands
        self.commands = known[AsyncCommandsParser]

    plain: Any = CommandsParser.initialize
    aplain: Any = AsyncCommandsParser.initialize
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CommandsParser, "initialize", initialize)
        patch.setattr(AsyncCommandsParser, "initialize", ainitialize)
        yield


@pytest.fixture(scope="session")
def cluster_url(cluster_nodes: list[RedisServer], known_commands: None) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster_nodes[:2])


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"test-{next(_numbers)}"


@pytest.fixture(params=["sqlite", "redis"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer, namespace: str
) -> Iterator[tuple[Callable[..., Any], Dump]]:
    opened: list[Any] = []

    def make(**options: Any) -> Any:
        store: Any
        if request.param == "sqlite":
            store = SQLiteSessionStore(tmp_path / "s.db", **options)
        else:
            store = RedisSessionStore(redis_server.url, **{"namespace": namespace, **PATIENT, **options})
        opened.append(store)
        return store

    def dump() -> bytes:
        if request.param == "redis":
            return redis_dump(redis_server, namespace)
        return b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))

    yield make, dump
    for store in opened:
        store.close()
