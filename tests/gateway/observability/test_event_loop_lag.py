"""What blocks an event loop is named, from outside of the loop.

Costs less than a second.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from fluxlit.observability import event_loop_lag
from fluxlit.observability.event_loop_lag import LoopLag, is_idle, name_of
from fluxlit.worker.garbage_collection import GarbageCollector, GarbagePolicy

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop_lag, "BEAT_S", 0.02)
    monkeypatch.setattr(event_loop_lag, "BLOCKED_S", 0.05)


def block_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def logged(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """The first report; a busy machine may cause more."""
    deadline = time.monotonic() + 60
    while not (found := [each for each in caplog.records if each.name == "fluxlit.event_loop"]):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    return found[0]


async def test_the_log_names_the_route_and_the_stack_of_what_blocks(caplog: pytest.LogCaptureFixture) -> None:
    lag, api = LoopLag("the gateway", "Do otherwise."), FastAPI()

    @api.get("/block/{item}")
    async def block(item: int) -> int:
        block_until(lambda: lag.blocked > 0)
        return item

    async with lag.beating(), httpx.AsyncClient(transport=httpx.ASGITransport(api)) as client:
        lag.watch()
        await client.get("http://p/block/7")
        record = await logged(caplog)
    text = record.getMessage()
    assert "of the gateway has been blocked" in text
    assert " by GET /block/{item}; " in text
    assert "Do otherwise." in text
    assert "in block\n" in text
    assert "block_until(lambda: lag.blocked > 0)" in text
    assert "starlette" not in text
    assert lag.read("gateway").of("fluxlit_event_loop_blocked_total").keys() == {("gateway",)}


async def test_what_serves_no_request_is_shown_by_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    lag = LoopLag("the gateway", "Do otherwise.")
    async with lag.beating():
        lag.watch()
        block_until(lambda: lag.blocked > 0)
        record = await logged(caplog)
    assert "in block_until" in record.getMessage()
    assert "Do otherwise." not in record.getMessage()


async def test_a_collection_of_garbage_is_not_reported(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> int:
        time.sleep(1)
        return 0

    monkeypatch.setattr(gc, "collect", slow)
    lag, collector = LoopLag(), GarbageCollector(GarbagePolicy(idle_s=0, look_s=0))
    async with lag.beating():
        lag.watch()
        task = asyncio.create_task(collector.run())
        deadline = time.monotonic() + 60
        while not collector.collections:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        task.cancel()
    assert [each for each in caplog.messages if "garbage_collection" in each] == []


async def test_a_loop_that_waits_for_events_is_idle() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not ((frame := sys._current_frames().get(thread.ident or 0)) and is_idle(frame)):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert not is_idle(sys._getframe())


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ({"method": "GET", "path": "", "root_path": "/a", "route": SimpleNamespace(path="/x/{y}")}, "GET /a/x/{y}"),
        ({"path": "/api/ws"}, "WEBSOCKET /api/ws"),
    ],
)
def test_a_request_is_named_by_its_route_else_by_its_path(scope: Any, name: str) -> None:
    assert name_of(scope) == name
