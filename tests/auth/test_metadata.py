"""Provider metadata: the issuer and every endpoint are checked."""

from typing import Any

import pytest

from fluxlit_auth.errors import AuthConfigError, ProviderMismatch
from fluxlit_auth.http_client import HttpClient, is_private
from fluxlit_auth.metadata import parse_metadata
from fluxlit_auth.provider import Provider
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider(web: HttpClient, hostile: HostileProvider, clock: Clock) -> Provider:
    return Provider(hostile.issuer, web, clock=clock)


@pytest.mark.parametrize("issuer", ["https://provider.test/", "https://PROVIDER.test", "https://evil.test", None, GONE])
async def test_another_issuer_is_refused(provider: Provider, hostile: HostileProvider, issuer: Any) -> None:
    """ASVS 10.5.3, oidcc-client-test-discovery-issuer-mismatch.

    OpenID Connect Discovery 4.3.
    """
    hostile.metadata["issuer"] = issuer
    with pytest.raises(ProviderMismatch, match="oidc_issuer"):
        await provider.metadata()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize("url", ["http://provider.test/x", "ftp://provider.test", "//provider.test", 7, "https://"])
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


@pytest.mark.parametrize("absent", [GONE, None, ""])
async def test_endpoints_that_are_optional_may_be_empty(
    provider: Provider, hostile: HostileProvider, absent: Any
) -> None:
    for name in ("userinfo_endpoint", "end_session_endpoint", "revocation_endpoint"):
        hostile.metadata[name] = absent
    found = await provider.metadata()
    assert (found.userinfo_endpoint, found.end_session_endpoint, found.revocation_endpoint) == ("", "", "")


OUTSIDE, INSIDE = "https://login.example.com/realms/staff", "http://keycloak:8080/realms/staff"


def document(front: str, back: str) -> dict[str, Any]:
    """Metadata with the endpoints of browsers at an address of their own."""
    pushed = "pushed_authorization_request_endpoint"
    here = dict.fromkeys(("token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint", pushed), back)
    there = dict.fromkeys(("authorization_endpoint", "end_session_endpoint"), front)
    return {"issuer": OUTSIDE, **{name: f"{place}/{name}" for name, place in (here | there).items()}}


@pytest.mark.parametrize("back", [OUTSIDE, INSIDE], ids=["all named outside", "back channel named inside"])
def test_a_provider_in_a_private_network_is_asked_there_and_browsers_go_outside(back: str) -> None:
    found = parse_metadata(document(OUTSIDE, back), OUTSIDE, f"{INSIDE}/.well-known/openid-configuration")
    asked = (found.token_endpoint, found.jwks_uri, found.userinfo_endpoint, found.revocation_endpoint)
    assert [url.rpartition("/")[0] for url in (*asked, found.par_endpoint)] == [INSIDE] * 5
    browsers = (found.authorization_endpoint, found.end_session_endpoint)
    assert [url.rpartition("/")[0] for url in browsers] == [OUTSIDE] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"authorization_endpoint": "http://keycloak:8080/auth"},
        {"token_endpoint": "http://other:8080/token"},
        {"token_endpoint": "http://keycloak/token"},
    ],
)
def test_plain_http_is_for_the_address_that_the_operator_named(changes: dict[str, str]) -> None:
    with pytest.raises(ProviderMismatch):
        parse_metadata(document(OUTSIDE, INSIDE) | changes, OUTSIDE, f"{INSIDE}/.well-known/openid-configuration")


def test_metadata_elsewhere_in_the_public_network_change_no_endpoint() -> None:
    """Azure B2C has them below a policy."""
    url = "https://login.example.com/tenant/policy/.well-known/openid-configuration"
    assert parse_metadata(document(OUTSIDE, OUTSIDE), OUTSIDE, url).token_endpoint == f"{OUTSIDE}/token_endpoint"


@pytest.mark.parametrize("url", ["http://login.example.com/x", "http://8.8.8.8/x", "ftp://keycloak/x", "keycloak"])
def test_metadata_of_the_public_network_need_tls(web: HttpClient, url: str) -> None:
    with pytest.raises(AuthConfigError, match="oidc_metadata_url"):
        Provider(OUTSIDE, web, metadata_url=url)


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("keycloak", True),
        ("keycloak.auth.svc.cluster.local", True),
        ("keycloak.auth.svc", True),
        ("10.1.2.3", True),
        ("fd00::1", True),
        ("login.example.com", False),
        ("8.8.8.8", False),
        ("", False),
    ],
)
def test_names_that_are_not_in_the_public_network(host: str, private: bool) -> None:
    assert is_private(host) is private
