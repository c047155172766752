"""The API half of a server, as browsers and as pages call it."""

from __future__ import annotations

from urllib.parse import unquote

import httpx
import pytest
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from fluxlit import FluxLit
from fluxlit._internal.tracebacks import FAULT_HEADER
from fluxlit.gateway import Trust
from fluxlit.server.api import Api
from fluxlit.server.page_calls import PageCalls
from fluxlit.settings import Settings
from fluxlit.urls import PublicAddress

pytestmark = pytest.mark.anyio


def application() -> FluxLit:
    app = FluxLit()

    @app.api.get("/where", name="where")
    def where(request: Request) -> str:
        return str(request.url_for("where"))

    return app


async def test_pages_call_the_api_at_the_public_mount() -> None:
    settings = Settings(root_path="/portal")
    api = Api(application(), settings, None)
    address = PublicAddress(settings, "http://localhost")
    transport = httpx.ASGITransport(PageCalls(api.serve_page, address, Trust()))
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.get("http://localhost/portal/api/where")
    assert response.json() == "http://localhost/portal/api/where"


@pytest.mark.parametrize(("origins", "allowed"), [((), None), (("https://a.example",), "https://a.example")])
async def test_cors_is_off_until_an_origin_is_allowed(origins: tuple[str, ...], allowed: str | None) -> None:
    api = Api(application(), Settings(cors_allow_origins=origins), None)
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
    api = Api(failing(), Settings(), None, development=development)
    transport = httpx.ASGITransport(api.serve_page, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://p/api") as client:
        answers = [await client.get(path) for path in ("/boom", "/own", "/stream")]
    faults = [unquote(answer.headers.get(FAULT_HEADER, "")) for answer in answers]
    assert [answer.status_code for answer in answers] == [500, 500, 500]
    assert answers[2].text == "ab"
    assert faults[1:] == ["", ""]
    assert faults[0].startswith("RuntimeError: größer (") is development


async def test_the_public_way_says_nothing_of_the_exception() -> None:
    api = Api(failing(), Settings(), None, development=True)
    transport = httpx.ASGITransport(api.public, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
        assert FAULT_HEADER not in (await client.get("/boom")).headers
