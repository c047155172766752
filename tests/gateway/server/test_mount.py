"""The API behaves under its mount as it does alone.

Sub-mounts, paths, URLs, OpenAPI.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from fluxlit import FluxLit

pytestmark = pytest.mark.anyio


def application(**settings: Any) -> FluxLit:
    app = FluxLit(**settings)
    sub = FastAPI()

    @sub.get("/where")
    def where(request: Request) -> dict[str, str]:
        return {"url": str(request.url), "self": str(request.url_for("where")), "root": request.scope["root_path"]}

    @app.api.get("/names/{name:path}", name="names")
    def names(name: str, request: Request) -> dict[str, str]:
        return {"name": name, "url": str(request.url), "self": str(request.url_for("names", name=name))}

    @app.api.get("/api/inner")
    def inner() -> str:
        return "inner"

    app.api.mount("/sub", sub)
    return app


def client(app: FluxLit) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://portal.example:8123")


async def test_a_sub_application_is_reached_and_knows_its_address() -> None:
    async with client(application()) as http:
        answer = await http.get("/api/sub/where")
    url = "http://portal.example:8123/api/sub/where"
    assert answer.json() == {"url": url, "self": url, "root": "/api/sub"}


async def test_a_route_of_the_api_may_itself_begin_with_the_prefix() -> None:
    async with client(application()) as http:
        assert (await http.get("/api/api/inner")).json() == "inner"


@pytest.mark.parametrize("name", ["é", "你好", "a b", "x;y", "100%", "a//b"])
async def test_names_of_any_alphabet_arrive(name: str) -> None:
    async with client(application()) as http:
        answer = await http.get(
            httpx.URL("http://portal.example:8123/api/names/").join(httpx.URL(path="/api/names/" + name))
        )
    assert answer.json()["name"] == name
    assert httpx.URL(answer.json()["self"]).path == "/api/names/" + name


@pytest.mark.parametrize("stripped", [True, False])
async def test_under_a_public_mount_all_urls_carry_it_whether_or_not_the_edge_strips_it(stripped: bool) -> None:
    async with client(application(root_path="/apps/my-app")) as http:
        prefix = "" if stripped else "/apps/my-app"
        answer = await http.get(f"{prefix}/api/names/ada")
        assert answer.json()["url"] == answer.json()["self"] == "http://portal.example:8123/apps/my-app/api/names/ada"
        openapi = (await http.get(f"{prefix}/api/openapi.json")).json()
        assert openapi["servers"] == [{"url": "/apps/my-app/api"}]
        docs = await http.get(f"{prefix}/docs?theme=dark")
        assert (docs.status_code, docs.headers["location"]) == (307, "/apps/my-app/api/docs?theme=dark")


async def test_the_mount_without_its_slash_redirects_with_the_query() -> None:
    async with client(application(root_path="/apps/my-app")) as http:
        answer = await http.get("/apps/my-app?a=1")
    assert (answer.status_code, answer.headers["location"]) == (307, "/apps/my-app/?a=1")


async def test_the_openapi_document_names_the_mount_as_server() -> None:
    async with client(application()) as http:
        assert (await http.get("/api/openapi.json")).json()["servers"] == [{"url": "/api"}]


async def test_the_prefix_can_be_another() -> None:
    async with client(application(api_mount_path="/backend/v1")) as http:
        assert (await http.get("/backend/v1/api/inner")).json() == "inner"
        assert (await http.get("/backend/v1/healthz")).json() == {"status": "ok"}
        assert (await http.get("/api/api/inner")).status_code == 404


async def test_probes_have_their_exact_bodies_and_are_not_in_the_openapi_document() -> None:
    async with client(application()) as http:
        assert (await http.get("/api/healthz")).text == '{"status":"ok"}'
        assert (await http.get("/api/readyz")).text == '{"status":"ready","streamlit":"not_configured"}'
        paths = (await http.get("/api/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.endswith("z")]


async def test_an_adopted_application_keeps_its_own_routes() -> None:
    existing = FastAPI(title="Existing")

    @existing.get("/old")
    def old() -> str:
        return "old"

    app = FluxLit(api=existing)
    assert app.api is existing
    async with client(app) as http:
        assert (await http.get("/api/old")).json() == "old"


async def test_the_title_of_any_layer_is_the_title_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    async with client(application(title="From code")) as http:
        assert (await http.get("/api/openapi.json")).json()["info"]["title"] == "From code"
    monkeypatch.setenv("FLUXLIT_TITLE", "From the environment")
    async with client(application(title="From code")) as http:
        assert (await http.get("/api/openapi.json")).json()["info"]["title"] == "From the environment"
    async with client(FluxLit(api=FastAPI(title="Its own"))) as http:
        assert (await http.get("/api/openapi.json")).json()["info"]["title"] == "Its own"


async def test_every_answer_carries_the_id_that_the_api_saw() -> None:
    app = FluxLit()

    @app.api.get("/id")
    def seen(request: Request) -> str:
        return request.headers["x-request-id"]

    async with client(app) as http:
        minted = await http.get("/api/id")
        assert minted.headers["x-request-id"] == minted.json()
        given = await http.get("/api/id", headers={"x-request-id": "deploy-7f3a"})
        assert (given.json(), given.headers["x-request-id"]) == ("deploy-7f3a", "deploy-7f3a")
        forged = await http.get("/api/id", headers={"x-request-id": "a b\tc" * 100})
        assert forged.headers["x-request-id"] == forged.json() != "a b\tc" * 100
