"""Providers with particular needs, as their documentation has them."""

from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import pytest

from fluxlit.settings import Settings
from fluxlit_auth import OIDC
from fluxlit_auth.login.presets import PRESETS
from tests.auth.browser import Browser, context, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider
from tests.auth.providers import CLIENT, EXP, SCRIPTS, SECRET, Provider, Script

pytestmark = pytest.mark.anyio


def browser_of(provider: Provider, preset: str, clock: Clock) -> Browser:
    """A browser at an application that is set up as in the how-to."""
    oidc = OIDC(transport=provider.transport, clock=clock)
    known: dict[str, Any] = {**provider.script.settings, "oidc_preset": preset, "oidc_client_id": CLIENT}
    oidc.bind(context(Settings(**known, oidc_client_secret=SECRET, login_idle_timeout_s=86400.0)))
    return Browser(oidc)


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_login_at_each_provider(preset: str, clock: Clock) -> None:
    provider = Provider(SCRIPTS[preset], clock)
    browser = browser_of(provider, preset, clock)
    back = await browser.get(provider.authorize(await browser.begin("/orders")))
    assert (back.status_code, back.headers["location"]) == (303, "/orders")
    user = (await browser.verdict()).user
    assert user is not None
    assert (user.subject, user.name, user.email, user.roles) == provider.script.expected
    assert user.issuer == provider.script.metadata["issuer"]


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_refresh_and_its_end_at_each_provider(preset: str, clock: Clock) -> None:
    provider = Provider(SCRIPTS[preset], clock)
    browser = browser_of(provider, preset, clock)
    await browser.get(provider.authorize(await browser.begin()))
    lifetime = int(provider.script.tokens.get("expires_in", EXP))
    token = provider.script.metadata["token_endpoint"]
    for _ in range(2):
        clock.pass_(lifetime - 30)
        user = (await browser.verdict()).user
        assert user is not None
        assert user.roles == provider.script.expected[3]
    assert provider.asked.count(token) == 3
    provider.ended = True
    clock.pass_(lifetime - 30)
    assert (await browser.verdict()).user is None


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_logout_at_each_provider(preset: str, clock: Clock) -> None:
    provider = Provider(SCRIPTS[preset], clock)
    browser = browser_of(provider, preset, clock)
    await browser.get(provider.authorize(await browser.begin()))
    answer = await browser.post("/api/auth/logout?return_to=/bye", sec_fetch_site="same-origin")
    if provider.script.logout:
        answer = await browser.get(provider.log_out(answer.headers["location"]))
    assert (answer.status_code, answer.headers["location"]) == (303, "/bye")
    assert browser.cookies == {}


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_logout_ends_one_login_and_takes_no_consent_back(preset: str, clock: Clock) -> None:
    """Google's revocation takes the consent back, and ends other logins."""
    provider = Provider(SCRIPTS[preset], clock)
    browser = browser_of(provider, preset, clock)
    await browser.get(provider.authorize(await browser.begin()))
    await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
    revocation = str(provider.script.metadata.get("revocation_endpoint", ""))
    assert provider.asked.count(revocation) == (revocation != "" and preset != "google")


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_known_of_a_provider_has_a_source_and_a_date(preset: str) -> None:
    known = PRESETS[preset]
    assert urlsplit(known.source).scheme == "https"
    assert date.fromisoformat(known.checked) >= date(2026, 1, 1)
    document = SCRIPTS[preset].metadata
    if known.issuer:
        assert known.issuer == document["issuer"]
    assert set(known.scopes) <= set(document.get("scopes_supported", known.scopes))


async def test_a_logout_of_a_user_in_many_groups_has_a_url_that_servers_take(clock: Clock) -> None:
    """8 kB are the limit of many servers, and Entra ID refuses far less."""
    crowded: Script = SCRIPTS["entra"]
    groups = [f"0f{number:06x}-1111-2222-3333-444444444444" for number in range(400)]
    provider = Provider(replace(crowded, claims={**(crowded.claims or {}), "groups": groups}), clock)
    browser = browser_of(provider, "entra", clock)
    await browser.get(provider.authorize(await browser.begin()))
    location = (await browser.post("/api/auth/logout", sec_fetch_site="same-origin")).headers["location"]
    assert len(location) < 2048
    assert f"client_id={CLIENT}" in location
    assert (await browser.get(provider.log_out(location))).status_code == 303


@pytest.mark.parametrize("iss", [None, "https://github.com/login/oauth", "https://github.com", "https://evil.test"])
async def test_github_may_name_itself_or_not(clock: Clock, iss: str | None) -> None:
    script = replace(SCRIPTS["github"], back={"iss": iss} if iss else {})
    provider = Provider(script, clock)
    browser = browser_of(provider, "github", clock)
    location = await browser.begin()
    assert "nonce" not in location
    back = await browser.get(provider.authorize(location))
    assert back.status_code == (303 if iss in (None, "https://github.com/login/oauth") else 400)


EMAILS: list[tuple[Any, str | None]] = [
    ([{"email": "a@example.com", "primary": True, "verified": False}], None),
    ([{"email": "a@example.com", "primary": False, "verified": True}], None),
    ([], None),
    (["nonsense", {"email": 7, "primary": True, "verified": True}], None),
]


@pytest.mark.parametrize(("addresses", "expected"), EMAILS, ids=str)
async def test_an_address_at_github_is_verified_and_the_main_one(
    clock: Clock, addresses: Any, expected: str | None
) -> None:
    script = replace(SCRIPTS["github"], more={"https://api.github.com/user/emails": addresses})
    provider = Provider(script, clock)
    browser = browser_of(provider, "github", clock)
    assert (await browser.get(provider.authorize(await browser.begin()))).status_code == 303
    user = (await browser.verdict()).user
    assert user is not None
    assert user.email == expected


async def test_nobody_is_signed_in_by_github_without_an_id(clock: Clock) -> None:
    script = replace(SCRIPTS["github"], userinfo={"login": "octocat"})
    provider = Provider(script, clock)
    browser = browser_of(provider, "github", clock)
    assert (await browser.get(provider.authorize(await browser.begin()))).status_code == 400


async def test_google_gives_no_roles(hostile: HostileProvider, clock: Clock) -> None:
    """Anyone has a Google account, and may have put such claims there."""
    hostile.claims.update({"roles": ["admin"], "groups": ["admin"]})
    browser = Browser(replica(hostile, clock, oidc_preset="google"))
    await browser.log_in(hostile)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == frozenset()
