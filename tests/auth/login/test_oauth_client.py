"""Client authentication and pushed authorization requests."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fluxlit_auth.login.oauth_client import CLIENT_ERRORS, code_challenge
from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, RSA_KEYS, HostileProvider

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
    """oidcc-client-test-client-secret-basic and -post.

    OpenID Connect Core 9, ASVS 5.0, 10.4.10.
    """
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


REFUSALS = [
    (400, '{"error": "unauthorized_client", "error_description": "not enabled"}', "application/json"),
    (403, '{"error": "access_denied"}', "application/json"),
    (404, "Not Found", "text/plain"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal[0]))
async def test_a_provider_that_announces_pushed_requests_and_refuses_them_is_asked_without(
    browser: Browser, hostile: HostileProvider, caplog: pytest.LogCaptureFixture, refusal: tuple[int, str, str]
) -> None:
    hostile.metadata["pushed_authorization_request_endpoint"] = f"{hostile.issuer}/par"
    hostile.instead["par"] = refusal
    for _ in range(2):
        assert (await browser.log_in(hostile)).status_code == 303
    assert hostile.calls["par"] == 1, "asked once for each copy of the metadata"
    assert "oidc_pushed_requests" in caplog.text
    assert "not enabled" not in caplog.text


@pytest.mark.parametrize(
    ("setting", "metadata"), [("required", {}), ("auto", {"require_pushed_authorization_requests": True})]
)
async def test_a_required_pushed_request_is_never_replaced_by_another(
    hostile: HostileProvider, clock: Clock, setting: str, metadata: dict[str, Any]
) -> None:
    hostile.metadata.update(metadata, pushed_authorization_request_endpoint=f"{hostile.issuer}/par")
    hostile.instead["par"] = REFUSALS[0]
    browser = Browser(replica(hostile, clock, oidc_pushed_requests=setting))
    assert (await browser.get("/api/auth/login")).status_code == 503
    del hostile.metadata["pushed_authorization_request_endpoint"]
    browser = Browser(replica(hostile, clock, oidc_pushed_requests="required"))
    assert (await browser.get("/api/auth/login")).status_code == 503


async def test_pushed_requests_can_be_off(hostile: HostileProvider, clock: Clock) -> None:
    hostile.metadata["pushed_authorization_request_endpoint"] = f"{hostile.issuer}/par"
    browser = Browser(replica(hostile, clock, oidc_pushed_requests="off"))
    assert (await browser.log_in(hostile)).status_code == 303
    assert hostile.calls["par"] == 0


async def test_a_provider_that_is_down_is_not_asked_without(browser: Browser, hostile: HostileProvider) -> None:
    hostile.metadata["pushed_authorization_request_endpoint"] = f"{hostile.issuer}/par"
    hostile.failing["par"] = 503
    assert (await browser.get("/api/auth/login")).status_code == 503


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("announced", [GONE, ["private_key_jwt"], ["client_secret_basic", "client_secret_post"]])
async def test_a_configured_method_is_used_whatever_is_announced(
    hostile: HostileProvider, clock: Clock, method: str, announced: Any
) -> None:
    hostile.metadata["token_endpoint_auth_methods_supported"] = announced
    browser = Browser(replica(hostile, clock, oidc_client_auth=method))
    assert (await browser.log_in(hostile)).status_code == 303
    [form] = [form for form in hostile.forms if form.get("grant_type") == "authorization_code"]
    assert ("client_secret" in form) == (method == "client_secret_post")


@pytest.mark.parametrize(
    "tokens",
    [
        {"error": None, "error_description": None},
        {"error": "", "error_description": ""},
        {"token_type": GONE},
        {"token_type": "bearer"},
        {"token_type": "JWT"},
        {"token_type": "BearerToken"},
        {"scope": ["openid", "email"]},
        {"refresh_token": None},
    ],
    ids=str,
)
async def test_token_responses_that_are_odd_but_clear(
    browser: Browser, hostile: HostileProvider, tokens: dict[str, Any]
) -> None:
    hostile.tokens.update(tokens)
    assert (await browser.log_in(hostile)).status_code == 303
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize("tokens", [{"token_type": "mac"}, {"token_type": "DPoP"}, {"access_token": ""}], ids=str)
async def test_tokens_that_a_client_does_not_understand_are_not_used(
    browser: Browser, hostile: HostileProvider, tokens: dict[str, Any]
) -> None:
    """RFC 6749 7.1."""
    hostile.tokens.update(tokens)
    assert (await browser.log_in(hostile)).status_code == 503


@pytest.mark.parametrize(
    ("status", "body", "expected", "level"),
    [
        (400, {"error": "invalid_grant"}, 400, "WARNING"),
        (200, {"error": "bad_verification_code"}, 400, "WARNING"),
        (401, {"error": "invalid_client"}, 503, "ERROR"),
        (200, {"error": "incorrect_client_credentials"}, 503, "ERROR"),
        (403, {"message": "Forbidden"}, 503, "ERROR"),
    ],
    ids=str,
)
async def test_a_refused_code_is_told_from_a_refused_client(
    browser: Browser,
    hostile: HostileProvider,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: dict[str, str],
    expected: int,
    level: str,
) -> None:
    hostile.instead["token"] = (status, json.dumps(body), "application/json")
    assert (await browser.log_in(hostile)).status_code == expected
    [record] = [each for each in caplog.records if each.levelname in {"WARNING", "ERROR"}]
    assert record.levelname == level
    assert ("oidc_client_id" in record.getMessage()) == (body.get("error") in CLIENT_ERRORS)


async def test_an_id_token_of_a_user_in_thousands_of_groups(browser: Browser, hostile: HostileProvider) -> None:
    hostile.claims["groups"] = [f"group-with-a-rather-long-name-{number:05}" for number in range(6000)]
    assert (await browser.log_in(hostile)).status_code == 303
    user = (await browser.verdict()).user
    assert user is not None
    assert len(user.roles) == 6000
