"""A store that fails on demand, and two processes that share it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fluxlit_sessions import MemorySessionStore
from tests.sessions.copies.processes import Faulty, Process


@pytest.fixture
def store() -> Faulty:
    return Faulty(MemorySessionStore())


@pytest.fixture
def processes(store: Faulty) -> Iterator[tuple[Process, Process]]:
    both = Process(store), Process(store)
    yield both
    store.off = False
    for process in both:
        process.copies.close(60)
