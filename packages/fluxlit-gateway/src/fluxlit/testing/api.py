"""The API in this process, behind the gateway, without the UI."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

import httpx
from httpx_ws.transport import ASGIWebSocketTransport

from fluxlit._internal.lifespan import Lifespan
from fluxlit.app import FluxLit
from fluxlit.auth.contract import User
from fluxlit.client import ApiClient
from fluxlit.gateway import Gateway, RouteTable
from fluxlit.server.adopted_api import documentation_paths, take_over
from fluxlit.settings import Settings
from fluxlit.testing.visitor import SameOriginMiddleware, auth_middleware_for

T = TypeVar("T")

_ORIGIN = "http://testserver"


@contextmanager
def api_client(app: FluxLit, *, user: User | None = None, settings: Settings | None = None) -> Iterator[ApiClient]:
    """Yield an `ApiClient` for the application; its API's lifespan runs.

    Paths are relative to the API, as they are in a page. Responses are read whole, so this is not for endless streams;
    WebSockets need `async_api_client` or `run_server`.

    With a login in the application, access is checked as when it is served: without a user, what is not public answers
    401. Calls come from the application's own pages, unless they carry another `Sec-Fetch-Site`.

    Args:
        app: the FluxLit object.
        user: who has logged in, such as ``User("ada", "https://login.example", roles=frozenset({"admin"}))``.
        settings: by default those that the application's code gives.
    """
    settings = settings or settings_of(app)
    gateway = _gateway(app, settings, user)
    loop = _LoopThread()
    lifespan = Lifespan(app.served_api)
    try:
        loop.run(lifespan.start())
        transport = _SyncTransport(_Stateful(gateway, lifespan.state), loop.run)
        with ApiClient(_base_url(settings), transport=transport) as client:
            yield client
        loop.run(lifespan.stop(settings.api_shutdown_timeout_s))
    finally:
        loop.close()


@asynccontextmanager
async def async_api_client(
    app: FluxLit, *, user: User | None = None, settings: Settings | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an `httpx.AsyncClient` at the API's base URL; its lifespan runs.

    It also opens WebSockets: `httpx_ws.aconnect_ws("ws", client)`.

    Args:
        app: the FluxLit object.
        user: who has logged in, as for `api_client`.
        settings: by default those that the application's code gives.
    """
    settings = settings or settings_of(app)
    gateway = _gateway(app, settings, user)
    lifespan = Lifespan(app.served_api)
    await lifespan.start()
    transport = ASGIWebSocketTransport(_Stateful(gateway, lifespan.state))
    async with httpx.AsyncClient(transport=transport, base_url=f"{_base_url(settings)}/") as client:
        yield client
    await lifespan.stop(settings.api_shutdown_timeout_s)


def detached_client(app: FluxLit, settings: Settings, user: User | None = None) -> ApiClient:
    """A client that needs no closing: one event loop per call, no lifespan."""

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(coroutine)

    return ApiClient(_base_url(settings), transport=_SyncTransport(_gateway(app, settings, user), run))


def settings_of(app: FluxLit) -> Settings:
    """The settings from the application's code, without files and environment."""
    return Settings(**app.setting_arguments)


def _base_url(settings: Settings) -> str:
    return f"{_ORIGIN}{settings.root_path}{settings.api_mount_path}"


def _gateway(app: FluxLit, settings: Settings, user: User | None) -> SameOriginMiddleware:
    auth = auth_middleware_for(app, settings, user)
    take_over(app.api, settings)
    gateway = Gateway(
        routes=RouteTable(api=settings.api_mount_path, docs=documentation_paths(app, settings)),
        api=cast("Any", app.served_api),  # Starlette spells the ASGI types another way
        ui=None,
        readiness=_NoUi,
        root_path=settings.root_path,
        guard=None if auth is None else auth.admit,
    )
    return SameOriginMiddleware(gateway)


class _NoUi:
    ready = True
    detail = ""


class _Stateful:
    """Completes every scope as a server does, with what the lifespan yielded."""

    def __init__(self, application: Any, state: dict[str, Any]) -> None:
        self._application = application
        self._state = state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # ASGI lets a WebSocket's scope leave its HTTP version out, and httpx-ws does.
        await self._application({"http_version": "1.1", **scope, "state": self._state.copy()}, receive, send)


class _SyncTransport(httpx.BaseTransport):
    """An ASGI application behind httpx's synchronous interface."""

    def __init__(self, application: Any, run: Any) -> None:
        self._transport = httpx.ASGITransport(application)
        self._run = run

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = self._run(self._exchange(request))
        return response

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.read(), extensions=request.extensions
        )
        answer = await self._transport.handle_async_request(sent)
        body = b"".join([chunk async for chunk in answer.stream])  # type: ignore[union-attr]  # it is an async stream
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fluxlit-testing", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
