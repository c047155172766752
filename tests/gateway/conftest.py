"""The project fixture for tests of the UI, and the ways of WebSockets."""

import pytest

from tests.gateway.proxy import harness
from tests.gateway.worker.project import project

__all__ = ["project"]


@pytest.fixture
def way() -> str:
    """How WebSockets pass; see `BOTH_WAYS`."""
    return "tunnel"


@pytest.fixture
def in_that_way(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "WAY", way)
