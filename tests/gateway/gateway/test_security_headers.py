"""Security headers of responses, and scripts of other sites at the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import Response

from fluxlit import FluxLit, SettingsError
from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.gateway import Gateway, OriginPolicy, RouteTable
from fluxlit.gateway.router import Readiness
from fluxlit.settings import resolve
from tests.gateway.gateway.asking import Recorder, ask, scope_of

pytestmark = pytest.mark.anyio

POLICY = "base-uri 'self'; object-src 'self' data: blob:"


def client(scheme: str = "http", **settings: Any) -> httpx.AsyncClient:
    app = FluxLit(**settings)

    @app.api.get("/plain")
    def plain() -> str:
        return "plain"

    @app.api.get("/own")
    def own(response: Response) -> str:
        response.headers["X-Frame-Options"] = "DENY"
        return "own"

    async def loud(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [[b"X-Frame-Options", b"DENY"]]})
        await send({"type": "http.response.body"})

    app.api.mount("/loud", loud)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{scheme}://portal.example")


@pytest.mark.parametrize("path", ["/api/plain", "/api/healthz", "/api/none", "/page"])
async def test_every_answer_is_complete(path: str) -> None:
    """ASVS 5.0, 3.4.4 to 3.4.6."""
    async with client() as http:
        headers = (await http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'self'"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize("path", ["/own", "/loud/"])
async def test_what_the_application_says_itself_stands(path: str) -> None:
    async with client() as http:
        headers = (await http.get(f"/api{path}")).headers
    assert headers.get_list("x-frame-options") == ["DENY"]
    assert "content-security-policy" not in headers, "frame-ancestors would override it"


async def test_each_can_be_left_out() -> None:
    async with client(frame_options="", referrer_policy="no-referrer") as http:
        headers = (await http.get("/api/plain")).headers
    assert "x-frame-options" not in headers
    assert headers["content-security-policy"] == POLICY, "any site may frame the page"
    assert headers["referrer-policy"] == "no-referrer"
    async with client(enable_security_headers=False) as http:
        assert "x-content-type-options" not in (await http.get("/api/plain")).headers


@pytest.mark.parametrize("value", ["same-origin\r\nSet-Cookie: a=b", "no-referrer;", "Origin"])
def test_a_policy_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="referrer_policy must be a policy such as"):
        resolve(arguments={"referrer_policy": value})


@pytest.mark.parametrize(
    ("scheme", "public", "sent"),
    [
        ("http", "", False),
        ("http", "http://portal.example", False),
        ("http", "https://portal.example", True),
        ("https", "", True),
    ],
)
async def test_browsers_are_bound_to_tls_only_where_it_is_certain(scheme: str, public: str, sent: bool) -> None:
    async with client(scheme, hsts_max_age_s=3600, public_base_url=public) as http:
        headers = (await http.get("/api/plain")).headers
    assert headers.get("strict-transport-security") == ("max-age=3600; includeSubDomains" if sent else None)


@pytest.mark.parametrize(
    ("scheme", "host", "settings", "sent"),
    [
        ("http", "portal.example", {}, None),
        ("https", "portal.example", {}, "max-age=31536000"),
        ("http", "portal.example", {"public_base_url": "https://portal.example"}, "max-age=31536000"),
        ("https", "localhost", {}, None),
        ("http", "localhost", {"public_base_url": "https://localhost"}, None),
        ("https", "localhost", {"hsts_max_age_s": 60}, "max-age=60; includeSubDomains"),
        ("https", "portal.example", {"hsts_max_age_s": 0}, None),
    ],
)
async def test_by_default_the_host_is_bound_to_tls_for_a_year(
    scheme: str, host: str, settings: dict[str, Any], sent: str | None
) -> None:
    """ASVS 5.0, 3.4.1. What subdomains do is not known.

    Nor what else is on this machine.
    """
    async with client(scheme, **settings) as http:
        headers = (await http.get("/api/plain", headers={"host": host})).headers
    assert headers.get("strict-transport-security") == sent


@pytest.mark.parametrize(
    ("scheme", "host", "public", "sent"),
    [
        ("http", "portal.example", "", False),
        ("http", "portal.example", "https://portal.example", True),
        ("https", "portal.example", "", True),
        ("https", "localhost", "", True),
    ],
)
async def test_a_site_that_opens_a_page_gets_no_hold_of_it(scheme: str, host: str, public: str, sent: bool) -> None:
    """ASVS 5.0, 3.4.8.

    Browsers ignore the header without TLS, with an error on the console.
    """
    async with client(scheme, public_base_url=public) as http:
        headers = (await http.get("/api/plain", headers={"host": host})).headers
    assert headers.get("cross-origin-opener-policy") == ("same-origin-allow-popups" if sent else None)


XSRF = b"_streamlit_xsrf=2|a|b|1; Path=/; SameSite=Lax"


@pytest.mark.parametrize(
    ("cookie", "secure"),
    [
        (XSRF, XSRF + b"; Secure"),
        (b"a=secure; Path=/", b"a=secure; Path=/; Secure"),
        (b"a=b; secure; Path=/", b"a=b; secure; Path=/"),
    ],
)
@pytest.mark.parametrize(
    ("scheme", "public", "tls"),
    [("http", "", False), ("https", "", True), ("http", "https://public.example", True)],
)
async def test_cookies_of_streamlit_are_secure_where_tls_is_certain(
    scheme: str, public: str, tls: bool, cookie: bytes, secure: bytes
) -> None:
    async def streamlit(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"set-cookie", cookie), (b"vary", b"Cookie")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    origins = OriginPolicy.of((), public_base_url=public)
    gateway = Gateway(RouteTable("/api"), Recorder(), streamlit, never, origins=origins)
    answer = await ask(gateway, scope_of("/_stcore/health", scheme=scheme))
    assert answer.headers == [(b"set-cookie", secure if tls else cookie), (b"vary", b"Cookie")]


def never() -> Readiness:
    raise AssertionError("no probe came")


async def test_a_foreign_script_may_call_the_api_only_if_its_origin_is_listed() -> None:
    """ASVS 5.0, 3.4.2."""
    ask = {"origin": "https://shop.example", "access-control-request-method": "PUT"}
    async with client() as http:
        assert "access-control-allow-origin" not in (await http.get("/api/plain", headers=ask)).headers
    async with client(cors_allow_origins=["https://shop.example"]) as http:
        assert (await http.options("/api/plain", headers=ask)).headers["access-control-allow-origin"] == ask["origin"]
        other = await http.get("/api/plain", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-credentials" not in other.headers
