"""The ASGI application under any server.

Lifespan protocol, state, and refusal to start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from fluxlit import FluxLit, FluxLitError
from fluxlit._internal.asgi import Application
from fluxlit.server.asgi import Refusal
from fluxlit.server.runtime import Runtime

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def served(app: Application) -> AsyncIterator[list[dict[str, Any]]]:
    """The messages that a server receives in the course of its lifespan."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: list[dict[str, Any]] = []
    answered = asyncio.Event()

    async def send(message: Any) -> None:
        outbox.append(message)
        answered.set()

    async def run() -> None:
        await app({"type": "lifespan"}, inbox.get, send)

    task = asyncio.create_task(run())
    await inbox.put({"type": "lifespan.startup"})
    waiting = asyncio.create_task(answered.wait())
    await asyncio.wait({waiting, task}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        task.result()
    yield outbox
    if outbox[0]["type"].endswith("complete"):
        await inbox.put({"type": "lifespan.shutdown"})
    await asyncio.wait_for(task, 30)


async def test_the_state_of_the_lifespan_reaches_requests() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"pool": "open"}

    api = FastAPI(lifespan=lifespan)

    @api.get("/pool")
    def pool(request: Request) -> str:
        return str(request.state.pool)

    app = Runtime(FluxLit(api=api)).asgi
    async with served(app) as messages, httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert messages == [{"type": "lifespan.startup.complete"}]
        assert (await client.get("http://p/api/pool")).json() == "open"
    assert messages[-1] == {"type": "lifespan.shutdown.complete"}


async def test_a_start_that_fails_is_reported_to_the_server() -> None:
    state = "down"

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if state == "down":
            raise RuntimeError("no database")
        yield

    async with served(Runtime(FluxLit(api=FastAPI(lifespan=lifespan))).asgi) as messages:
        assert messages[0]["type"] == "lifespan.startup.failed"
        assert "RuntimeError: no database" in messages[0]["message"]


async def test_a_start_that_fails_unexpectedly_is_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> None:
        raise KeyError("not foreseen")

    runtime = Runtime(FluxLit())
    monkeypatch.setattr(runtime.lifecycle, "start", start)
    async with served(runtime.asgi) as messages:
        assert messages == [{"type": "lifespan.startup.failed", "message": "KeyError: 'not foreseen'"}]


async def test_a_refusal_gives_its_reason_to_the_server_and_to_requests() -> None:
    refusal = Refusal(FluxLitError("wrong"))
    async with served(refusal) as messages:
        assert messages == [{"type": "lifespan.startup.failed", "message": "wrong"}]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(refusal)) as client:
        with pytest.raises(FluxLitError, match="wrong"):
            await client.get("http://p/")
