"""What a server starts and stops, and what it reports meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI

from fluxlit import FluxLit, FluxLitError
from fluxlit.server.runtime import Runtime

pytestmark = pytest.mark.anyio


def application(events: list[str], *, fails: str = "") -> FluxLit:
    """An API that records its lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        events.append("start")
        if fails == "start":
            raise RuntimeError("no database")
        yield {}
        events.append("stop")
        if fails == "stop":
            raise RuntimeError("still writing")

    return FluxLit(api=FastAPI(lifespan=lifespan))


async def test_the_state_follows_start_drain_and_stop() -> None:
    events: list[str] = []
    lifecycle = Runtime(application(events)).lifecycle
    assert lifecycle.state()[0] == "starting"
    await lifecycle.start()
    assert (lifecycle.state()[0], events) == ("ready", ["start"])
    lifecycle.drain()
    assert lifecycle.state() == ("draining", "the server is shutting down")
    await lifecycle.stop()
    assert events == ["start", "stop"]


async def test_a_second_stop_does_nothing_and_a_second_start_serves_again() -> None:
    events: list[str] = []
    lifecycle = Runtime(application(events)).lifecycle
    await lifecycle.start()
    await lifecycle.stop()
    await lifecycle.stop()
    assert events == ["start", "stop"]


async def test_a_start_that_fails_leaves_nothing_running() -> None:
    runtime = Runtime(application([], fails="start"))
    with pytest.raises(FluxLitError, match="RuntimeError: no database"):
        await runtime.lifecycle.start()
    assert runtime.lifecycle.state()[0] == "draining"


async def test_a_shutdown_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    lifecycle = Runtime(application([], fails="stop")).lifecycle
    await lifecycle.start()
    await lifecycle.stop()
    assert "RuntimeError: still writing" in caplog.text
