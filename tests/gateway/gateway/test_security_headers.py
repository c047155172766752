"""What every answer tells a browser, and which scripts of other sites may call the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import Response

from fluxlit import FluxLit, SettingsError
from fluxlit.settings import resolve

pytestmark = pytest.mark.anyio


def client(scheme: str = "http", **settings: Any) -> httpx.AsyncClient:
    app = FluxLit(**settings)

    @app.api.get("/plain")
    def plain() -> str:
        return "plain"

    @app.api.get("/own")
    def own(response: Response) -> str:
        response.headers["X-Frame-Options"] = "DENY"
        return "own"

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{scheme}://portal.example")


@pytest.mark.parametrize("path", ["/api/plain", "/api/healthz", "/api/none", "/page"])
async def test_every_answer_is_complete(path: str) -> None:
    async with client() as http:
        headers = (await http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "strict-transport-security" not in headers


async def test_what_the_application_says_itself_stands() -> None:
    async with client() as http:
        headers = (await http.get("/api/own")).headers
    assert headers.get_list("x-frame-options") == ["DENY"]
    assert "content-security-policy" not in headers, "frame-ancestors would override it"


async def test_each_can_be_left_out() -> None:
    async with client(frame_options="", referrer_policy="no-referrer") as http:
        headers = (await http.get("/api/plain")).headers
    assert "x-frame-options" not in headers
    assert "content-security-policy" not in headers
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
    """ASVS 5.0, 3.4.1. What subdomains do is not known; nor what else is on this machine."""
    async with client(scheme, **settings) as http:
        headers = (await http.get("/api/plain", headers={"host": host})).headers
    assert headers.get("strict-transport-security") == sent


async def test_a_foreign_script_may_call_the_api_only_if_its_origin_is_listed() -> None:
    ask = {"origin": "https://shop.example", "access-control-request-method": "PUT"}
    async with client() as http:
        assert "access-control-allow-origin" not in (await http.get("/api/plain", headers=ask)).headers
    async with client(cors_allow_origins=["https://shop.example"]) as http:
        assert (await http.options("/api/plain", headers=ask)).headers["access-control-allow-origin"] == ask["origin"]
        other = await http.get("/api/plain", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-credentials" not in other.headers
