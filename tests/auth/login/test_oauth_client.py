"""Client authentication and pushed authorization requests."""

import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from fluxlit_auth.login.oauth_client import client_assertion, code_challenge, signature_of
from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import RSA_KEYS, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_requests_are_pushed_where_the_provider_takes_them(browser: Browser, hostile: HostileProvider) -> None:
    """RFC 9126."""
    hostile.metadata["pushed_authorization_request_endpoint"] = f"{hostile.issuer}/par"
    location = await browser.begin()
    assert set(dict(parse_qsl(urlsplit(location).query))) == {"client_id", "request_uri"}
    assert (await browser.get(there_and_back(hostile, location))).status_code == 303


async def test_a_client_may_have_a_key_in_place_of_a_secret(
    hostile: HostileProvider, clock: Clock, tmp_path: Path
) -> None:
    """private_key_jwt: OpenID Connect Core 9, ASVS 10.4.16."""
    hostile.client_key = RSA_KEYS[1]
    (tmp_path / "key.pem").write_bytes(RSA_KEYS[1].as_pem(private=True))
    oidc = replica(hostile, clock, oidc_client_secret="", oidc_client_key_file=str(tmp_path / "key.pem"))
    assert (await Browser(oidc).log_in(hostile)).status_code == 303


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_travels_as_the_provider_wants_it(
    browser: Browser, hostile: HostileProvider, method: str
) -> None:
    """oidcc-client-test-client-secret-basic and -post; OpenID Connect Core 9, ASVS 5.0, 10.4.10."""
    hostile.metadata["token_endpoint_auth_methods_supported"] = [method]
    assert (await browser.log_in(hostile)).status_code == 303
    [form] = [form for form in hostile.forms if form.get("grant_type") == "authorization_code"]
    assert ("client_secret" in form) == (method == "client_secret_post")


async def test_a_provider_that_takes_no_secret_is_told_apart(browser: Browser, hostile: HostileProvider) -> None:
    hostile.metadata["token_endpoint_auth_methods_supported"] = ["tls_client_auth"]
    assert (await browser.log_in(hostile)).status_code == 503
    assert hostile.forms == []


ODD_LIFETIMES = ["3600", "9" * 5000, "\u00b2", 10**400, -1, 0, None, "soon", [], 1.5]


@pytest.mark.parametrize("expires", ODD_LIFETIMES, ids=lambda lifetime: str(lifetime)[:9])
async def test_an_odd_lifetime_of_a_token_is_none(browser: Browser, hostile: HostileProvider, expires: Any) -> None:
    hostile.tokens["expires_in"] = expires
    assert (await browser.log_in(hostile)).status_code == 303
    assert (await browser.verdict()).user is not None


KEYS = [RSAKey.generate_key(2048), *(ECKey.generate_key(curve) for curve in ("P-256", "P-384", "P-521"))]


@pytest.mark.parametrize("key", [*KEYS, OKPKey.generate_key("Ed25519")], ids=lambda key: str(key.get("crv", "RSA")))
def test_a_client_assertion_names_the_client_and_the_provider_and_is_for_one_use(key: Key) -> None:
    """RFC 7523 3, OpenID Connect Core 9."""
    key.ensure_kid()
    assertions = [client_assertion("the-client", key, "https://provider.test") for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of EdDSA
        claims = [jwt.decode(each, key, algorithms=[signature_of(key)]).claims for each in assertions]
    for each in claims:
        assert (each["iss"], each["sub"], each["aud"]) == ("the-client", "the-client", "https://provider.test")
        assert 0 < each["exp"] - time.time() <= 60
    assert claims[0]["jti"] != claims[1]["jti"]


def test_the_code_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize("secret", ["a:b", "a b", "ä%+&=", "x" * 200])
async def test_a_secret_with_odd_characters_is_form_encoded(
    hostile: HostileProvider, clock: Clock, secret: str
) -> None:
    """RFC 6749 2.3.1."""
    hostile.client_id, hostile.client_secret = "the:client", secret
    assert (await Browser(replica(hostile, clock)).log_in(hostile)).status_code == 303
