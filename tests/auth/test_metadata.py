"""Provider metadata: the issuer and every endpoint are checked."""

from typing import Any

import pytest

from fluxlit_auth.errors import ProviderMismatch
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.provider import Provider
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider(web: HttpClient, hostile: HostileProvider, clock: Clock) -> Provider:
    return Provider(hostile.issuer, web, clock=clock)


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
