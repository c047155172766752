"""A provider: metadata fetched on demand, cached, and checked."""

import asyncio

import pytest

from fluxlit_auth.errors import AuthConfigError, ProviderUnavailable
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.provider import Provider
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider(web: HttpClient, hostile: HostileProvider, clock: Clock) -> Provider:
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


@pytest.mark.parametrize(
    "issuer", ["provider.test", "http://provider.test", "https://user@provider.test", "https://a#b", "https://[::1", ""]
)
def test_an_issuer_is_a_url_with_tls(web: HttpClient, issuer: str) -> None:
    with pytest.raises(AuthConfigError, match="oidc_issuer"):
        Provider(issuer, web)


def test_plain_http_is_for_this_machine(web: HttpClient) -> None:
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
