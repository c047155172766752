"""The API's own lifespan is run inside ours, for better or worse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from fluxlit._internal.lifespan import Lifespan, LifespanError

pytestmark = pytest.mark.anyio


async def test_start_and_stop_run_once_each_and_the_state_comes_out() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        seen.append("start")
        yield {"key": "value"}
        seen.append("stop")

    life = Lifespan(FastAPI(lifespan=lifespan))
    await life.start()
    assert (seen, life.state) == (["start"], {"key": "value"})
    await life.stop(5)
    await life.stop(5)
    assert seen == ["start", "stop"]


async def test_a_failing_start_is_reported_with_its_cause() -> None:
    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        if api.title == "broken":
            raise RuntimeError("no database")
        yield

    life = Lifespan(FastAPI(lifespan=lifespan, title="broken"))
    with pytest.raises(LifespanError, match="did not start: its lifespan raised RuntimeError: no database") as caught:
        await life.start()
    assert isinstance(caught.value.__cause__, RuntimeError)
    await life.stop(5)


async def test_a_failing_stop_is_reported_with_its_cause() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        raise RuntimeError("disk full")

    life = Lifespan(FastAPI(lifespan=lifespan))
    await life.start()
    with pytest.raises(LifespanError, match=r"did not stop: .* disk full"):
        await life.stop(5)


async def test_an_application_that_knows_no_lifespan_is_reported() -> None:
    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        assert scope["type"] == "http"

    with pytest.raises(LifespanError, match="AssertionError"):
        await Lifespan(application).start()


async def test_an_end_that_takes_too_long_is_cancelled_and_reported() -> None:
    ended: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    life = Lifespan(FastAPI(lifespan=lifespan))
    await life.start()
    with pytest.raises(LifespanError, match=r"took longer than 0.1 s and was cancelled.*api_shutdown_timeout_s"):
        await life.stop(0.1)
    assert ended == ["cancelled"]
