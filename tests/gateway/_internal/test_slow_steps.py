"""A start that takes long names what it waits for; a fast one does not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from fluxlit import FluxLit
from fluxlit._internal import slow_steps as waiting
from fluxlit._internal.slow_steps import log_if_slow
from fluxlit.server.runtime import Runtime

pytestmark = pytest.mark.anyio


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of waiting.

    Other parts of this process log as well.
    """
    return [message for message in caplog.messages if message.startswith("Waiting for")]


async def test_it_is_said_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fluxlit")
    async with asyncio.timeout(60), log_if_slow("the tide", 0.01):
        while len(said(caplog)) < 3:  # noqa: ASYNC110  # the log has no event
            await asyncio.sleep(0.005)
    before = said(caplog)
    assert before[0].startswith("Waiting for the tide, ")
    await asyncio.sleep(0.2)
    assert said(caplog) == before, "nothing is said after the end"


async def test_a_slow_lifespan_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(waiting, "FIRST_LOG_S", 0.01)
    caplog.set_level(logging.INFO, logger="fluxlit")

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncio.timeout(60):
            while not said(caplog):  # noqa: ASYNC110  # the log has no event
                await asyncio.sleep(0.005)
        yield

    runtime = Runtime(FluxLit(api=FastAPI(lifespan=lifespan)))
    await runtime.lifecycle.start()
    await runtime.lifecycle.stop()
    assert said(caplog)[0].startswith("Waiting for the start of the API (its lifespan), ")


async def test_a_fast_start_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fluxlit")
    async with log_if_slow("the tide"):
        pass
    assert said(caplog) == []
