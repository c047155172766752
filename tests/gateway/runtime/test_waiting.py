"""A start that takes long says what it waits for; a fast one says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from fluxlit import FluxLit, waiting
from fluxlit.runtime import Runtime
from fluxlit.waiting import told

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_it_is_said_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fluxlit")
    async with asyncio.timeout(10), told("the tide", 0.01):
        while len(caplog.messages) < 3:  # noqa: ASYNC110  # the log has no event
            await asyncio.sleep(0.005)
    said = len(caplog.messages)
    assert caplog.messages[0] == "Waiting for the tide, 0 s so far."
    await asyncio.sleep(0.05)
    assert len(caplog.messages) == said, "nothing is said after the end"


async def test_a_slow_lifespan_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(waiting, "FIRST_WORD_S", 0.01)
    caplog.set_level(logging.INFO, logger="fluxlit")

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncio.timeout(10):
            while not caplog.messages:  # noqa: ASYNC110  # the log has no event
                await asyncio.sleep(0.005)
        yield

    runtime = Runtime(FluxLit(api=FastAPI(lifespan=lifespan)))
    await runtime.start()
    await runtime.stop()
    assert "Waiting for the start of the API (its lifespan)" in caplog.messages[0]


async def test_a_fast_start_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fluxlit")
    async with told("the tide"):
        pass
    assert caplog.messages == []
