"""What an adopted FastAPI application declares, and FluxLit decides."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI, Request

from fluxlit import FluxLit
from fluxlit.server.adopted_api import documentation_paths, own_probes, take_over
from fluxlit.settings import Settings
from tests.gateway.gateway.asking import ask, scope_of

HERE = Path(__file__)


@pytest.mark.anyio
async def test_its_own_root_path_gives_way_to_the_mount(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer releases of FastAPI advise against the argument
        api = FastAPI(root_path="/svc/v1")

    @api.get("/users")
    def users(request: Request) -> str:
        return str(request.url_for("users"))

    take_over(api, Settings(root_path="/portal"))
    answer = await ask(api, scope_of("/portal/api/users", root_path="/portal/api"))
    assert answer.json() == "http://public.example/portal/api/users"
    (line,) = caplog.messages
    assert "'/svc/v1'" in line
    assert "/portal/api" in line
    assert "FLUXLIT_ROOT_PATH" in line


def test_each_probe_of_its_own_is_named(caplog: pytest.LogCaptureFixture) -> None:
    api, router = FastAPI(), APIRouter()
    router.add_api_route("/readyz", lambda: "", methods=["GET"])
    router.add_api_route("/healthz/db", lambda: "", methods=["GET"])
    api.add_api_route("/healthz", lambda: "", methods=["GET", "POST"])
    api.include_router(router)
    assert own_probes(api) == ["/healthz", "/readyz"]
    take_over(api, Settings())
    assert ["/api/healthz" in line for line in caplog.messages] == [True, False]
    assert "/api/readyz" in caplog.messages[1]


def test_an_application_without_either_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    api = FastAPI()
    api.mount("/healthz", FastAPI())
    take_over(api, Settings())
    assert (caplog.messages, api.root_path) == ([], "")


@pytest.mark.parametrize(
    ("api", "paths"),
    [
        (FastAPI(), {"/docs": "/docs", "/redoc": "/redoc", "/openapi.json": "/openapi.json"}),
        (FastAPI(docs_url="/swagger", redoc_url=None), {"/docs": "/swagger", "/openapi.json": "/openapi.json"}),
        (FastAPI(openapi_url=None), {}),
    ],
    ids=["default", "own", "none"],
)
def test_usual_paths_of_documentation_lead_to_its_own(api: FastAPI, paths: dict[str, str]) -> None:
    assert documentation_paths(FluxLit(api=api), Settings()) == paths


def test_pages_have_precedence_over_documentation() -> None:
    app = FluxLit()
    app.page("/docs")(lambda: None)
    assert "/docs" not in documentation_paths(app, Settings())
    assert documentation_paths(FluxLit(ui=HERE), Settings()) == {}
    assert documentation_paths(FluxLit(), Settings(streamlit_mode="external", streamlit_upstream="http://x:1")) == {}
