"""A login from the first request to the session.

And what a hostile provider can do to it.
"""

import logging
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import EC_KEYS, GONE, RSA_KEYS, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_login_ends_where_it_began_and_the_user_is_known(browser: Browser, hostile: HostileProvider) -> None:
    hostile.claims["groups"] = ["admin", "staff"]
    back = await browser.log_in(hostile, "/admin?tab=1")
    assert (back.status_code, back.headers["location"]) == (303, "/admin?tab=1")
    assert back.headers["cache-control"] == "no-store"
    user = (await browser.verdict()).user
    assert user is not None
    assert (user.subject, user.issuer, user.name) == ("ada", hostile.issuer, "Ada Lovelace")
    assert (user.email, user.roles, user.scheme) == ("ada@example.com", frozenset({"admin", "staff"}), "oidc")
    assert list(browser.cookies) == ["__Host-fluxlit-session"], "one cookie remains (ASVS 3.3)"


async def test_the_request_has_pkce_state_and_nonce(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 10.2.1, 10.2.3 and 10.4.6; RFC 7636, RFC 9700 2.1.1."""
    await browser.log_in(hostile)
    [request] = hostile.requests
    assert request["response_type"] == "code"
    assert request["code_challenge_method"] == "S256"
    assert request["scope"] == "openid profile email"
    assert request["redirect_uri"] == "https://app.test/api/auth/callback"
    assert len(request["state"]) >= 43
    assert len(request["nonce"]) >= 43


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("iss", {"claims": {"iss": "https://evil.test"}}),
    ("iss missing", {"claims": {"iss": GONE}}),
    ("aud", {"claims": {"aud": "other"}}),
    ("aud missing", {"claims": {"aud": GONE}}),
    ("azp", {"claims": {"azp": "other"}}),
    ("sub missing", {"claims": {"sub": GONE}}),
    ("iat missing", {"claims": {"iat": GONE}}),
    ("exp", {"claims": {"exp": 1}}),
    ("nonce", {"claims": {"nonce": "other"}}),
    ("nonce missing", {"claims": {"nonce": GONE}}),
    ("at_hash", {"claims": {"at_hash": "AAAA"}}),
    ("c_hash", {"claims": {"c_hash": "AAAA"}}),
    ("none", {"header": {"alg": "none"}}),
    ("kid unknown", {"header": {"kid": "other"}}),
    ("signature", {"signing_key": RSA_KEYS[1], "header": {"kid": "one"}}),
    ("userinfo sub", {"userinfo": {"sub": "eve"}}),
    ("no id_token", {"tokens": {"id_token": GONE}}),
    ("RFC 9207 iss of another", {"callback": {"iss": "https://evil.test"}}),
    ("RFC 9207 iss missing", {"callback": {"iss": GONE}}),
    ("state", {"callback": {"state": "other"}}),
    ("state missing", {"callback": {"state": GONE}}),
    ("code missing", {"callback": {"code": GONE}}),
    ("code of another", {"callback": {"code": "injected"}}),
    ("error", {"callback": {"code": GONE, "error": "<script>"}}),
]


@pytest.mark.parametrize("lies", [lies for _, lies in REFUSED], ids=[name for name, _ in REFUSED])
async def test_lies_of_a_provider_log_nobody_in(browser: Browser, hostile: HostileProvider, lies: Any) -> None:
    """OpenID Connect Core 3.1.3.7 and RFC 9207 (mix-up).

    ASVS 5.0, 10.2.2, 10.5.1, 10.5.2 and 10.5.4.
    """
    for name, value in lies.items():
        setattr(hostile, name, value)
    back = await browser.log_in(hostile)
    assert back.status_code == 400
    assert "script" not in back.text, "text of the other side is not repeated"
    assert (await browser.verdict()).user is None
    assert not any("session" in name for name in browser.cookies)


async def test_a_provider_that_is_down_gives_503_and_a_page(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 16.5.2 and 16.5.3."""
    hostile.failing["openid-configuration"] = 500
    answer = await browser.get("/api/auth/login")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")


@pytest.mark.parametrize("endpoint", ["token", "jwks", "userinfo"])
async def test_a_provider_that_goes_down_on_the_way_gives_503(
    browser: Browser, hostile: HostileProvider, endpoint: str
) -> None:
    hostile.failing[endpoint] = 503
    assert (await browser.log_in(hostile)).status_code == 503


ALGORITHMS = [("RS256", RSA_KEYS[0]), ("PS256", RSA_KEYS[0]), ("ES256", EC_KEYS[0])]


@pytest.mark.parametrize(("alg", "key"), ALGORITHMS)
@pytest.mark.parametrize("kid", [True, False])
async def test_signatures_that_a_login_takes(
    browser: Browser, hostile: HostileProvider, alg: str, key: Any, kid: bool
) -> None:
    """oidcc-client-test-idtoken-sig-rs256 and -es256.

    And oidcc-client-test-kid-absent-single-jwks.
    """
    hostile.alg, hostile.signing_key, hostile.published = alg, key, [key]
    if not kid:
        hostile.header["kid"] = GONE
    assert (await browser.log_in(hostile)).status_code == 303


async def test_an_algorithm_that_the_provider_does_not_name_is_refused(
    browser: Browser, hostile: HostileProvider
) -> None:
    """A good signature by a published key, but not as the metadata promise."""
    hostile.alg, hostile.signing_key, hostile.published = "ES256", EC_KEYS[0], [EC_KEYS[0]]
    hostile.metadata["id_token_signing_alg_values_supported"] = ["RS256"]
    assert (await browser.log_in(hostile)).status_code == 400


async def test_nothing_that_is_secret_is_logged(
    browser: Browser, hostile: HostileProvider, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 16.2.5."""
    caplog.set_level(logging.DEBUG, "fluxlit_auth")
    back = there_and_back(hostile, await browser.begin())
    await browser.get(back)
    session = browser.session
    clock.pass_(3570)
    await browser.verdict()
    await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
    await browser.get(back)
    secrets = [*dict(parse_qsl(urlsplit(back).query)).values(), *session.split("."), *hostile._refresh]
    assert caplog.records
    assert [secret for secret in secrets if secret != hostile.issuer and secret in caplog.text] == []


async def test_the_keys_may_rotate_while_somebody_is_at_the_provider(
    browser: Browser, hostile: HostileProvider
) -> None:
    """oidcc-client-test-signing-key-rotation-just-before-signing."""
    await browser.log_in(hostile)
    location = await browser.begin()
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]
    assert (await browser.get(there_and_back(hostile, location))).status_code == 303


async def test_a_login_is_logged_with_user_and_address_and_without_its_handle(
    browser: Browser, hostile: HostileProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 5.0, 16.2.5 and 16.3.1.

    A logout by GET is proven by the whole handle.
    """
    caplog.set_level(logging.DEBUG, "fluxlit_auth")
    hostile.subject = "ada\nroot"
    await browser.log_in(hostile)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.session is not None
    [line] = [record.getMessage() for record in caplog.records if "succeeded" in record.getMessage()]
    assert "user=ada?root " in line
    assert "address=192.0.2.1 " in line
    assert f"session={user.session[:12]}" in line
    await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
    assert user.session not in caplog.text
