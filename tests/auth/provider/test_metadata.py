"""What a provider says about itself is read strictly, lazily and again."""

import asyncio
from typing import Any

import httpx2
import pytest

from fluxlit_auth.errors import AuthConfigError, ProviderMismatch, ProviderUnavailable
from fluxlit_auth.provider import Provider
from fluxlit_auth.web import MAX_BYTES, Web
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider(web: Web, hostile: HostileProvider, clock: Clock) -> Provider:
    return Provider(hostile.issuer, web, clock=clock)


async def test_it_is_fetched_once_when_it_is_first_needed(provider: Provider, hostile: HostileProvider) -> None:
    assert hostile.calls.total() == 0
    found = await asyncio.gather(*(provider.metadata() for _ in range(10)))
    assert found[0].token_endpoint == f"{hostile.issuer}/token"
    assert hostile.calls == {"openid-configuration": 1}


async def test_it_is_refreshed(provider: Provider, hostile: HostileProvider, clock: Clock) -> None:
    await provider.metadata()
    hostile.metadata["token_endpoint"] = f"{hostile.issuer}/elsewhere"
    assert not (await provider.metadata()).token_endpoint.endswith("elsewhere")
    clock.pass_(3601)
    assert (await provider.metadata()).token_endpoint.endswith("elsewhere")


@pytest.mark.parametrize("issuer", ["https://provider.test/", "https://PROVIDER.test", "https://evil.test", None, GONE])
async def test_another_issuer_is_refused(provider: Provider, hostile: HostileProvider, issuer: Any) -> None:
    """ASVS 10.5.3, oidcc-client-test-discovery-issuer-mismatch: OpenID Connect Discovery 4.3."""
    hostile.metadata["issuer"] = issuer
    with pytest.raises(ProviderMismatch, match="oidc_issuer"):
        await provider.metadata()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize("url", ["http://provider.test/x", "ftp://provider.test", "//provider.test", "", 7, "https://"])
async def test_endpoints_have_tls(provider: Provider, hostile: HostileProvider, name: str, url: Any) -> None:
    """RFC 9700 2.6."""
    hostile.metadata[name] = url
    with pytest.raises(ProviderMismatch, match=name):
        await provider.metadata()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
async def test_endpoints_that_a_login_needs_are_there(provider: Provider, hostile: HostileProvider, name: str) -> None:
    hostile.metadata[name] = GONE
    with pytest.raises(ProviderMismatch, match=name):
        await provider.metadata()


@pytest.mark.parametrize(
    "issuer", ["provider.test", "http://provider.test", "https://user@provider.test", "https://a#b", "https://[::1", ""]
)
def test_an_issuer_is_a_url_with_tls(web: Web, issuer: str) -> None:
    with pytest.raises(AuthConfigError, match="oidc_issuer"):
        Provider(issuer, web)


def test_plain_http_is_for_this_machine(web: Web) -> None:
    for issuer in ("http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000"):
        assert Provider(issuer, web).issuer == issuer


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
async def test_a_provider_that_is_down_is_told_apart_and_not_asked_all_the_time(
    provider: Provider, hostile: HostileProvider, clock: Clock, status: int
) -> None:
    hostile.failing["openid-configuration"] = status
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            await provider.metadata()
    assert hostile.calls["openid-configuration"] == 1
    hostile.failing.clear()
    clock.pass_(11)
    await provider.metadata()


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"<html>", b"[" * 100_000, b" " * (MAX_BYTES + 1)])
async def test_nonsense_is_a_provider_that_is_down(body: bytes) -> None:
    web = Web(httpx2.MockTransport(lambda _request: httpx2.Response(200, content=body)))
    with pytest.raises(ProviderUnavailable):
        await Provider("https://provider.test", web).metadata()


async def test_a_provider_that_cannot_be_reached(clock: Clock) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"no way to {request.url}?code=secret")

    with pytest.raises(ProviderUnavailable) as raised:
        await Provider("https://provider.test", Web(httpx2.MockTransport(refuse)), clock=clock).metadata()
    assert "secret" not in str(raised.value)
