"""A Redis that tests stop and start, and how to look at a page."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.servers import BINARY, RedisServer, running


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """A Redis that keeps what it has acknowledged, also over a kill. Its socket needs a short path."""
    if BINARY is None:
        pytest.fail("There is no redis-server. Install it: apt-get install redis-server", pytrace=False)
    folder = Path(tempfile.mkdtemp(prefix="flx"))
    with running(RedisServer(folder, persistent=True)) as server:
        yield server
    shutil.rmtree(folder)
