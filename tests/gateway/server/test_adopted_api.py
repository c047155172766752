"""What an adopted FastAPI application declares, and FluxLit decides."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from fluxlit import FluxLit
from fluxlit.server.adopted_api import documentation_paths, own_probes, take_over, yields_mount
from fluxlit.settings import Settings
from fluxlit.testing import api_client
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


@pytest.mark.anyio
async def test_a_mounted_application_sees_the_whole_path_as_under_a_mount_of_starlette() -> None:
    """Socket.IO and others that compare it need the prefix in an option."""
    seen: list[tuple[str, str]] = []

    async def library(scope: Any, _receive: Any, send: Any) -> None:
        seen.append((scope["path"], scope["root_path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    api, parent = FastAPI(), FastAPI()
    api.mount("/ws", library)
    parent.mount("/api", api)
    await ask(parent, scope_of("/api/ws/socket.io/"))
    with api_client(FluxLit(api=api)) as client:
        assert client.get("/ws/socket.io/").status_code == 200
    assert seen == [("/api/ws/socket.io/", "/api/ws")] * 2


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


def test_the_address_of_the_mount_is_a_pages_only_if_the_api_has_nothing_there(tmp_path: Path) -> None:
    """A script may have a page `api`, which opens at `/api` without FluxLit."""
    script = tmp_path / "ui.py"
    script.touch()
    router = APIRouter()
    router.add_api_route("/", lambda: "", methods=["GET"])
    own, mounted, elsewhere, included = FastAPI(), FastAPI(), FastAPI(), FastAPI()
    own.add_api_route("/", lambda: "", methods=["GET"])
    mounted.mount("/", FastAPI())
    elsewhere.add_api_route("/users", lambda: "", methods=["GET"])
    included.include_router(router)
    found = [yields_mount(FluxLit(ui=script, api=api), Settings()) for api in (own, mounted, elsewhere, included)]
    assert found == [False, False, True, False]
    assert not yields_mount(FluxLit(api=elsewhere), Settings()), "its own pages cannot be there"


def test_pages_have_precedence_over_documentation() -> None:
    app = FluxLit()
    app.page("/docs")(lambda: None)
    assert "/docs" not in documentation_paths(app, Settings())
    assert documentation_paths(FluxLit(ui=HERE), Settings()) == {}
    assert documentation_paths(FluxLit(), Settings(streamlit_mode="external", streamlit_upstream="http://x:1")) == {}
