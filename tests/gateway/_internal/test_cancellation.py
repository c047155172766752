"""Tasks end even where a library swallows a cancellation."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from fluxlit._internal import cancellation
from fluxlit._internal.cancellation import cancel

pytestmark = pytest.mark.anyio


async def test_a_swallowed_cancellation_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "AGAIN_S", 0.01)
    swallowed = 0

    async def asking() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 2:
                    raise

    tasks = [asyncio.create_task(asking())]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await cancel(tasks)
    assert (swallowed, tasks[0].cancelled()) == (3, True)


async def test_tasks_that_fail_or_have_ended_already_are_no_matter() -> None:
    async def failing() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        raise ValueError("on purpose")

    async def quick() -> None:
        return

    tasks = [asyncio.create_task(failing()), asyncio.create_task(quick())]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await cancel(tasks)
    assert isinstance(tasks[0].exception(), ValueError)
    await cancel([])
