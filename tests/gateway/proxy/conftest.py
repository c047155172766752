"""The proxy is tested on both event loops that uvicorn may choose."""

from typing import Any

import pytest

from fluxlit.proxy import reverse_proxy
from fluxlit.server.http import protocol
from tests.gateway.proxy.websocket import LOOPS


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    backend: tuple[str, dict[str, Any]] = request.param
    return backend


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused upload may take as long as it takes on a busy machine."""
    monkeypatch.setattr(reverse_proxy, "LINGER_S", 60.0)
    monkeypatch.setattr(protocol, "LINGER_S", 60.0)
