"""Logouts of the provider: which are obeyed, and what a liar may try."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import OctKey

from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, RSA_KEYS, HostileProvider, forged, unsigned

pytestmark = pytest.mark.anyio

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


GOOD: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("sub and sid", {}, {}),
    ("sid alone", {}, {"sub": GONE}),
    ("sub alone", {}, {"sid": GONE}),
    ("several audiences", {}, {"aud": ["other", "the-client"], "azp": "the-client"}),
    ("more events", {}, {"events": {EVENT: {}, "https://example.com/other": {}}}),
    # Keycloak and others are older than the type of its own (section 2.4 recommends it).
    ("no type", {"typ": GONE}, {}),
    ("plain type", {"typ": "JWT"}, {"typ": "Logout"}),
    ("full type", {"typ": "application/logout+jwt"}, {}),
]


@pytest.mark.parametrize(("header", "claims"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
async def test_good_logout_tokens_end_the_session(
    browser: Browser, hostile: HostileProvider, clock: Clock, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    """oidcc-client-test-rp-backchannel-rpinitlogout.

    Back-Channel Logout 1.0, 2.5 to 2.7.
    """
    await browser.log_in(hostile)
    answer = await browser.back_channel(hostile.logout_token(header, **claims))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    clock.pass_(2)
    assert (await browser.verdict()).user is None


BAD: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("alg none", {"alg": "none"}, {}),
    ("another type", {"typ": "at+jwt"}, {}),
    ("unknown key", {"kid": "other"}, {}),
    ("critical field", {"crit": ["x"], "x": 1}, {}),
    ("wrong issuer", {}, {"iss": "https://evil.test"}),
    ("no issuer", {}, {"iss": GONE}),
    ("wrong audience", {}, {"aud": "other"}),
    ("no audience", {}, {"aud": GONE}),
    ("no iat", {}, {"iat": GONE}),
    ("iat to come", {}, {"iat": 1_900_000_000}),
    ("iat long ago", {}, {"iat": 1_700_000_000}),
    ("expired", {}, {"exp": 1}),
    ("no exp", {}, {"exp": GONE}),
    ("no event", {}, {"events": GONE}),
    ("wrong event", {}, {"events": {"https://example.com/other": {}}}),
    ("event without object", {}, {"events": {EVENT: True}}),
    ("events as a list", {}, {"events": [EVENT]}),
    ("nonce", {}, {"nonce": "n"}),
    ("empty nonce", {}, {"nonce": None}),
    ("nobody", {}, {"sub": GONE, "sid": GONE}),
    ("sid no text", {}, {"sid": ["sid-1"]}),
    ("sub no text", {}, {"sub": {"a": 1}}),
    ("no jti", {}, {"jti": GONE}),
    ("jti no text", {}, {"jti": 7}),
]


@pytest.mark.parametrize(("header", "claims"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_bad_logout_tokens_end_nothing(
    browser: Browser, hostile: HostileProvider, clock: Clock, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    """oidcc-client-test-rp-backchannel-rpinitlogout-alg-none and its like.

    -wrong-aud, -wrong-event, ...; ASVS 10.5.5.
    """
    await browser.log_in(hostile)
    answer = await browser.back_channel(hostile.logout_token(header, **claims))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    clock.pass_(2)
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize("known_to_all", ["secret", "public key"])
async def test_a_shared_secret_signs_no_logout(
    browser: Browser, hostile: HostileProvider, clock: Clock, known_to_all: str
) -> None:
    """oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg.

    HS256 with what others may know.
    """
    await browser.log_in(hostile)
    text = hostile.client_secret if known_to_all == "secret" else RSA_KEYS[0].as_pem(private=False).hex()
    hostile.signing_key, hostile.alg = OctKey.import_key(text, {"kid": "one"}), "HS256"
    assert (await browser.back_channel(hostile.logout_token())).status_code == 400
    clock.pass_(2)
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize("spoil", [forged, unsigned])
async def test_a_spoilt_signature_ends_nothing(
    browser: Browser, hostile: HostileProvider, clock: Clock, spoil: Any
) -> None:
    await browser.log_in(hostile)
    assert (await browser.back_channel(spoil(hostile.logout_token()))).status_code == 400
    clock.pass_(2)
    assert (await browser.verdict()).user is not None


async def test_an_id_token_is_no_logout_token(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """Back-Channel Logout 1.0, 4.1.

    Tokens of one kind are not taken for the other.
    """
    await browser.log_in(hostile)
    token = hostile.id_token("n", "at", "", {"events": {EVENT: {}}, "jti": "1"})
    assert (await browser.back_channel(token)).status_code == 400
    clock.pass_(2)
    assert (await browser.verdict()).user is not None


async def test_it_ends_the_sessions_that_it_names_and_no_others(hostile: HostileProvider, clock: Clock) -> None:
    """Back-Channel Logout 1.0, 2.7."""
    oidc = replica(hostile, clock)
    desk, phone, other = Browser(oidc), Browser(oidc), Browser(oidc)
    await desk.log_in(hostile)
    hostile.claims["sid"] = "sid-2"
    await phone.log_in(hostile)
    hostile.subject, hostile.claims["sid"] = "bob", "sid-3"
    await other.log_in(hostile)

    async def signed_in() -> list[bool]:
        clock.pass_(2)
        return [(await each.verdict()).user is not None for each in (desk, phone, other)]

    assert (await desk.back_channel(hostile.logout_token(sub="ada", sid="sid-3"))).status_code == 200
    assert await signed_in() == [True, True, True], "a session that is not this user's"
    assert (await desk.back_channel(hostile.logout_token(sub="ada", sid="sid-1"))).status_code == 200
    assert await signed_in() == [False, True, True]
    assert (await desk.back_channel(hostile.logout_token(sub="ada", sid=GONE))).status_code == 200
    assert await signed_in() == [False, False, True]


async def test_a_logout_token_works_once(browser: Browser, hostile: HostileProvider) -> None:
    await browser.log_in(hostile)
    token = hostile.logout_token()
    assert (await browser.back_channel(token)).status_code == 200
    assert (await browser.back_channel(token)).status_code == 400


async def test_the_request_is_a_form_with_one_token(browser: Browser, hostile: HostileProvider) -> None:
    """Back-Channel Logout 1.0, 2.5."""
    path, form = "/api/auth/backchannel-logout", "application/x-www-form-urlencoded"
    token = hostile.logout_token().encode()
    assert (await browser.get(path)).status_code == 405
    assert (await browser.post(path, b"logout_token=" + token, content_type="application/json")).status_code == 400
    assert (await browser.post(path, b"", content_type=form)).status_code == 400
    twice = b"logout_token=" + token + b"&logout_token=" + token
    assert (await browser.post(path, twice, content_type=form)).status_code == 400
    assert (await browser.post(path, b"logout_token=" + b"x" * 100_000, content_type=form)).status_code == 400


async def test_keys_may_have_rotated_before_it(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    await browser.log_in(hostile)
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]
    assert (await browser.back_channel(hostile.logout_token())).status_code == 200
    clock.pass_(2)
    assert (await browser.verdict()).user is None


async def test_it_can_come_again_when_the_keys_could_not_be_had(
    hostile: HostileProvider, clock: Clock, shared_store: str
) -> None:
    """503 means nothing about the token, and does not use it up."""
    here, there = (Browser(replica(hostile, clock, session_store=shared_store)) for _ in range(2))
    await here.log_in(hostile)
    hostile.failing["jwks"] = 500
    token = hostile.logout_token()
    assert (await there.back_channel(token)).status_code == 503
    assert (await here.back_channel(token)).status_code == 200
    assert (await here.verdict()).user is None
    await here.oidc.stop()
    await there.oidc.stop()
