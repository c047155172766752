"""Calls of pages, as the API sees them: requests of the visitor."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from fluxlit import ApiClient, FluxLit
from fluxlit.gateway import Trust
from fluxlit.server.api import Api
from fluxlit.server.page_calls import PageCalls
from fluxlit.settings import resolve
from fluxlit.urls import PublicAddress, PublicUrls
from tests.gateway.gateway.asking import Answer, ask, scope_of

pytestmark = pytest.mark.anyio

VISITOR = {
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-host": "portal.example.com",
    "x-forwarded-proto": "https",
    "x-forwarded-port": "443",
}


def application(*middleware: Any) -> FluxLit:
    api = FastAPI()
    for each, options in middleware:
        api.add_middleware(each, **options)

    @api.get("/who")
    def who(request: Request) -> dict[str, Any]:
        return {
            "client": request.client.host if request.client else None,
            "link": str(request.url_for("who")),
            "forwarded": [name for name in request.headers if name.startswith("x-forwarded")],
            "own": request.headers.get("x-own"),
        }

    @api.get("/urls")
    def urls(urls: PublicUrls) -> str:
        return urls.page("/")

    @api.get("/slash/")
    def slash() -> str:
        return "there"

    @api.get("/away")
    def away() -> RedirectResponse:
        return RedirectResponse("https://elsewhere.example/")

    return FluxLit(api=api)


def calls(app: FluxLit, *, origin: str = "http://127.0.0.1:8123", **settings: Any) -> PageCalls:
    resolved = resolve(flags=settings, environ={})
    found = resolved.settings
    address = PublicAddress(found, origin)
    trust = Trust.of(enabled=found.trust_proxy, allowed=found.forwarded_allow_ips)
    return PageCalls(Api(app, resolved, None, address).serve_page, address, trust)


async def called(serving: PageCalls, target: str, headers: dict[str, str]) -> Answer:
    """What a call over the private socket is answered."""
    fields = [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in headers.items())]
    return await ask(serving, scope_of(target, headers=fields, client=None, server=("/run/api.sock", None)))


async def test_the_api_sees_the_visitor() -> None:
    answer = await called(calls(application()), "/api/who", {**VISITOR, "x-own": "1"})
    assert answer.json() == {
        "client": "203.0.113.9",
        "link": "https://portal.example.com/api/who",
        "forwarded": [],
        "own": "1",
    }


async def test_without_a_visitor_it_sees_the_listener_and_this_machine() -> None:
    """In a thread that a page has started itself."""
    answer = (await called(calls(application()), "/api/who", {})).json()
    assert (answer["client"], answer["link"]) == ("127.0.0.1", "http://127.0.0.1:8123/api/who")
    assert (await called(calls(application()), "/api/urls", {})).json() == "http://127.0.0.1:8123/"


async def test_the_configured_public_address_is_above_the_visitors() -> None:
    serving = calls(application(), public_base_url="https://shop.example/m", root_path="/m")
    for headers in ({}, VISITOR):
        assert (await called(serving, "/m/api/who", headers)).json()["link"] == "https://shop.example/m/api/who"
        assert (await called(serving, "/m/api/urls", headers)).json() == "https://shop.example/m/"


async def test_a_prefix_that_the_edge_has_removed_is_in_links() -> None:
    serving = calls(application(), trust_proxy=True)
    answer = await called(serving, "/api/who", {**VISITOR, "x-forwarded-prefix": "/apps"})
    assert answer.json()["link"] == "https://portal.example.com/apps/api/who"


async def test_the_nearest_hop_that_is_no_proxy_is_the_client() -> None:
    chain = {**VISITOR, "x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.0.0.1"}
    serving = calls(application(), trust_proxy=True, forwarded_allow_ips=("10.0.0.0/8",))
    assert (await called(serving, "/api/who", chain)).json()["client"] == "203.0.113.9"


@pytest.mark.parametrize(
    "middleware",
    [
        (TrustedHostMiddleware, {"allowed_hosts": ["portal.example.com"]}),
        (HTTPSRedirectMiddleware, {}),
    ],
    ids=["trusted host", "https redirect"],
)
async def test_middleware_that_looks_at_the_public_address_passes(middleware: Any) -> None:
    for settings, headers in (({}, VISITOR), ({"public_base_url": "https://portal.example.com"}, {})):
        answer = await called(calls(application(middleware), **settings), "/api/who", headers)
        assert answer.status == 200


def test_redirects_within_the_api_are_followed_on_the_private_socket() -> None:
    serving = calls(application(), root_path="/m")
    transport = SyncTransport(serving)
    client = ApiClient("http://localhost/m/api", transport=transport, headers=VISITOR)
    assert client.get("/slash").json() == "there"
    away = client.get("/away")
    assert (away.status_code, away.headers["location"]) == (307, "https://elsewhere.example/")


class SyncTransport(httpx.BaseTransport):
    """Serves the client's requests by an ASGI application."""

    def __init__(self, application: PageCalls) -> None:
        self._inner = httpx.ASGITransport(application, client=("", 0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        import anyio  # noqa: PLC0415

        async def send() -> httpx.Response:
            response = await self._inner.handle_async_request(request)
            body = b"".join([part async for part in response.stream])  # type: ignore[union-attr]
            return httpx.Response(response.status_code, headers=response.headers, content=body)

        return anyio.run(send)
