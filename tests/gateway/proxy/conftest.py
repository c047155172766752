"""The proxy is tested on both event loops that uvicorn may choose."""

from typing import Any

import pytest

from tests.gateway.proxy.websocket import LOOPS


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    backend: tuple[str, dict[str, Any]] = request.param
    return backend
