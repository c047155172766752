"""The API half of a server, as browsers and as pages call it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from fluxlit import FluxLit
from fluxlit._internal.tracebacks import FAULT_HEADER
from fluxlit.errors import FluxLitError
from fluxlit.gateway import Trust
from fluxlit.server.api import Api, run_once
from fluxlit.server.page_calls import PageCalls
from fluxlit.settings import Settings, resolve
from fluxlit.urls import PublicAddress

pytestmark = pytest.mark.anyio


def application() -> FluxLit:
    app = FluxLit()

    @app.api.get("/where", name="where")
    def where(request: Request) -> str:
        return str(request.url_for("where"))

    return app


def api_of(**settings: Any) -> Api:
    return Api(application(), resolve(flags=settings, environ={}), None)


async def test_pages_call_the_api_at_the_public_mount() -> None:
    api = api_of(root_path="/portal")
    address = PublicAddress(Settings(root_path="/portal"), "http://localhost")
    transport = httpx.ASGITransport(PageCalls(api.serve_page, address, Trust()))
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.get("http://localhost/portal/api/where")
    assert response.json() == "http://localhost/portal/api/where"


@pytest.mark.parametrize(("origins", "allowed"), [((), None), (("https://a.example",), "https://a.example")])
async def test_cors_is_off_until_an_origin_is_allowed(origins: tuple[str, ...], allowed: str | None) -> None:
    api = api_of(cors_allow_origins=list(origins))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.public)) as client:
        response = await client.get("http://p/where", headers={"origin": "https://a.example"})
    assert response.headers.get("access-control-allow-origin") == allowed


def failing() -> FluxLit:
    app = FluxLit()

    @app.api.get("/boom")
    def boom() -> None:
        raise RuntimeError("größer")

    @app.api.get("/own")
    def own() -> Response:
        return Response(status_code=500)

    @app.api.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]), status_code=500)

    return app


@pytest.mark.parametrize("development", [True, False])
async def test_a_page_receives_the_exception_in_development_only(development: bool) -> None:
    api = Api(failing(), resolve(environ={}), None, development=development)
    transport = httpx.ASGITransport(api.serve_page, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://p/api") as client:
        answers = [await client.get(path) for path in ("/boom", "/own", "/stream")]
    faults = [unquote(answer.headers.get(FAULT_HEADER, "")) for answer in answers]
    assert [answer.status_code for answer in answers] == [500, 500, 500]
    assert answers[2].text == "ab"
    assert faults[1:] == ["", ""]
    assert faults[0].startswith("RuntimeError: größer (") is development


async def test_the_public_way_says_nothing_of_the_exception() -> None:
    api = Api(failing(), resolve(environ={}), None, development=True)
    transport = httpx.ASGITransport(api.public, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
        assert FAULT_HEADER not in (await client.get("/boom")).headers


async def test_before_the_start_an_api_of_workers_is_not_ready_and_one_in_the_process_is() -> None:
    assert api_of().readiness().ready
    assert not api_of(api_workers=1).readiness().ready


ONCE = """
calls = []

def sync():
    calls.append("sync")

async def awaited():
    calls.append("awaited")

def broken():
    raise ValueError("no table")
"""


async def test_what_runs_once_may_be_async_and_its_failure_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "once_per_replica.py").write_text(ONCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    await run_once("once_per_replica:sync")
    await run_once("once_per_replica:awaited")
    assert sys.modules["once_per_replica"].calls == ["sync", "awaited"]
    with pytest.raises(FluxLitError, match="api_before_start: once_per_replica:broken failed: ValueError: no table"):
        await run_once("once_per_replica:broken")
    with pytest.raises(FluxLitError, match="once_per_replica:missing"):
        await run_once("once_per_replica:missing")
    del sys.modules["once_per_replica"]
