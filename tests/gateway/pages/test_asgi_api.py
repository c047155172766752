"""An API that is another ASGI application, as uvicorn serves it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from httpx_ws import aconnect_ws
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from fluxlit import FluxLit, FluxLitError
from fluxlit.pages.asgi_api import is_api, is_asgi
from fluxlit.server.adopted_api import documentation_paths, own_probes
from fluxlit.server.api import set_up_api
from fluxlit.settings import Settings
from fluxlit.testing import api_client, async_api_client
from fluxlit.urls import PublicAddress, PublicUrls

pytestmark = pytest.mark.anyio

NOT_FOUND = '{"detail":"Not Found"}'


class Socket:
    """As `socketio.ASGIApp`: it has some paths, and hands on the rest."""

    def __init__(self, other: Any = None) -> None:
        self.other_asgi_app = other

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/socket.io/"):
            await PlainTextResponse("open")(scope, receive, send)
        elif self.other_asgi_app is not None:
            await self.other_asgi_app(scope, receive, send)
        else:
            raise RuntimeError(scope["type"])  # as an application without a lifespan


class Sentry:
    """As `SentryAsgiMiddleware`: each object has a `__call__` of its own."""

    __slots__ = ("__call__", "app")

    def __init__(self, app: Any) -> None:
        self.app = app
        self.__call__ = self._run

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@contextlib.asynccontextmanager
async def lifespan(_service: FastAPI) -> AsyncIterator[dict[str, int]]:
    yield {"number": 7}


def service(**options: Any) -> FastAPI:
    api = FastAPI(title="Inside", lifespan=lifespan, **options)

    @api.get("/seen")
    def seen(request: Request) -> list[Any]:
        return [request.state.number, request.scope["root_path"], str(request.url_for("seen"))]

    @api.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.scope["path"])
        await socket.close()

    return api


AROUND: dict[str, Callable[[Any], Any]] = {
    "socket": Socket,
    "cors": lambda app: CORSMiddleware(app, allow_origins=["https://a.example"]),
    "two": lambda app: Socket(CORSMiddleware(app, allow_origins=["*"])),
    "sentry": Sentry,
}


@pytest.mark.parametrize("around", AROUND)
async def test_an_application_in_middleware_is_served_with_its_lifespan(around: str) -> None:
    app = FluxLit(api=AROUND[around](service()))
    assert app.api_is_adopted
    async with async_api_client(app) as client:
        assert (await client.get("seen")).json() == [7, "/api", "http://testserver/api/seen"]
        assert (await client.get("nothing")).status_code == 404
        socket: Any
        async with aconnect_ws("ws", client) as socket:
            assert await socket.receive_text() == "/api/ws"
        assert (await client.get("socket.io/")).text == ("open" if around in ("socket", "two") else NOT_FOUND)


def test_middleware_works_around_it() -> None:
    with api_client(FluxLit(api=AROUND["cors"](service()))) as client:
        response = client.get("/seen", headers={"Origin": "https://a.example"})
    assert response.headers["access-control-allow-origin"] == "https://a.example"


def test_starlette_and_an_application_without_a_lifespan_are_served() -> None:
    async def page(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("starlette")

    with api_client(FluxLit(api=Starlette(routes=[Route("/page", page)]))) as client:
        assert client.get("/page").text == "starlette"
    with api_client(FluxLit(api=Socket())) as client:
        assert client.get("/socket.io/").text == "open"


def test_a_lifespan_that_fails_is_an_error() -> None:
    @contextlib.asynccontextmanager
    async def failing(_service: FastAPI) -> AsyncIterator[dict[str, int]]:
        yield {"port": int("no database")}

    app = FluxLit(api=Socket(FastAPI(lifespan=failing)))
    with pytest.raises(FluxLitError, match=r"ValueError: .*no database"), api_client(app):
        pass


def test_what_fastapi_declares_inside_counts(caplog: pytest.LogCaptureFixture) -> None:
    inside = service(docs_url="/mine")
    inside.root_path = "/svc"
    inside.get("/healthz")(lambda: None)
    app = FluxLit(api=Socket(inside))
    assert (app.api.title, app.api.docs_url) == ("Inside", "/mine")
    assert "/seen" in app.api.openapi()["paths"]
    assert documentation_paths(app, Settings())["/docs"] == "/mine"
    assert own_probes(app.api) == ["/healthz"]
    with api_client(app) as client:
        assert client.get("/seen").json() == [7, "/api", "http://testserver/api/seen"]
    assert "FastAPI(root_path='/svc') is not used" in caplog.text


def test_public_urls_are_known_inside() -> None:
    inside = FastAPI()

    @inside.get("/home")
    def home(urls: PublicUrls) -> str:
        return urls.app

    app = FluxLit(api=Socket(inside))
    set_up_api(app, PublicAddress(Settings(public_base_url="https://app.example.com")))
    with api_client(app) as client:
        assert client.get("/home").json().startswith("https://app.example.com")


class Synchronous:
    """As a WSGI application."""

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


async def handler(request: Any) -> None:
    """Not ASGI: one argument."""


async def created_late() -> FastAPI:
    """As a factory that must be awaited."""
    return FastAPI()


def in_module() -> ModuleType:
    module = ModuleType("shop")
    vars(module)["service"] = service()
    return module


OTHERS = {
    "router": (APIRouter(), "an APIRouter. Leave out api=, and include the router: app.api.include_router(router)."),
    "target": ("service:app", "a str. Import the application that 'service:app' names, and pass that."),
    "module": (in_module(), "the module shop. Pass the application in it: shop.service"),
    "empty module": (ModuleType("shop"), "the module shop. Pass the application in it: shop...."),
    "class": (Socket, "the class Socket. Pass an instance: Socket(...)."),
    "FastAPI": (FastAPI, "the class FastAPI. Pass an instance: FastAPI(...)."),
    "WSGI": (Synchronous(), "a Synchronous. a2wsgi.WSGIMiddleware makes an ASGI application of a WSGI application."),
    "WSGI function": (Synchronous().__call__, "the function __call__. a2wsgi.WSGIMiddleware makes"),
    "factory": (service, "the function service. If it returns the application, call it: service()."),
    "handler": (handler, "the function handler. ASGI applications are async, and take scope, receive and send."),
    "number": (7, "an int. ASGI applications are async, and take scope, receive and send."),
    "mapping": ({}, "a dict. ASGI applications are async, and take scope, receive and send."),
}


@pytest.mark.parametrize(("value", "message"), OTHERS.values(), ids=list(OTHERS))
def test_another_value_is_refused(value: Any, message: str) -> None:
    with pytest.raises(FluxLitError) as refused:
        FluxLit(api=value)
    assert str(refused.value).startswith(
        f"FluxLit(api=...) takes a FastAPI application or another ASGI application, and this is {message}"
    )


def test_a_coroutine_is_refused() -> None:
    coroutine = created_late()
    with pytest.raises(FluxLitError, match=r"this is a coroutine\. The function that returns .* must not be async"):
        FluxLit(api=coroutine)  # type: ignore[arg-type]
    coroutine.close()


def test_a_router_of_starlette_is_an_api() -> None:
    assert isinstance(FluxLit(api=Router()).api, FastAPI)


@pytest.mark.parametrize("value", [7, ModuleType("dashboard"), service])
def test_another_value_is_no_script(value: Any) -> None:
    with pytest.raises(FluxLitError, match=r"ui=\.\.\.\) takes the path of a script, and this is (an int|the )"):
        FluxLit(ui=value)


@pytest.mark.parametrize("value", [FluxLit(), CORSMiddleware(FluxLit()), Socket(CORSMiddleware(FluxLit()))])
def test_a_fluxlit_object_is_no_api(value: Any) -> None:
    with pytest.raises(FluxLitError, match=r"app\.api\.add_middleware"):
        FluxLit(api=value)


def test_what_is_an_application() -> None:
    for value in (service(), Socket(service()), Sentry(service()), Starlette(), handler_of_three):
        assert is_asgi(value)
    assert is_api(Socket(service()))
    assert not is_api(Socket())
    assert not is_api(Starlette())
    assert not is_api(Proxy())
    assert not is_asgi(Socket)


class Proxy:
    """As Flask's `current_app`: it raises outside of a request."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI, as it seems."""


async def handler_of_three(scope: Any, receive: Any, send: Any) -> None:
    """ASGI as a function."""
