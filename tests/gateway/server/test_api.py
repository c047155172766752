"""The API half of a server, as browsers and as pages call it."""

from __future__ import annotations

import httpx
import pytest
from fastapi import Request

from fluxlit import FluxLit
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
