"""Logout by the user, at the provider and by the provider."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_logout_ends_it_here_and_at_the_provider(browser: Browser, hostile: HostileProvider) -> None:
    """OpenID Connect RP-Initiated Logout 2 and 3; ASVS 7.4.1."""
    await browser.log_in(hostile)
    stolen = Browser(browser.oidc, cookies=dict(browser.cookies))
    assert (await stolen.verdict()).user is not None
    answer = await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
    query = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert answer.headers["location"].startswith(f"{hostile.issuer}/logout?")
    assert query["post_logout_redirect_uri"] == "https://app.test/api/auth/logged-out"
    assert query["id_token_hint"].count(".") == 2
    assert len(hostile.revoked) == 1
    assert (await stolen.verdict()).user is None
    assert (await browser.get("/api/auth/logged-out?state=other")).status_code == 400
    assert (await browser.get("/api/auth/logged-out")).status_code == 400
    farewell = await browser.get(f"/api/auth/logged-out?state={query['state']}")
    assert (farewell.status_code, farewell.headers["location"]) == (303, "/api/auth/logged-out")
    assert (await browser.get("/api/auth/logged-out")).status_code == 200
    again = await browser.get(f"/api/auth/logged-out?state={query['state']}")
    assert again.headers["location"] == "/api/auth/logged-out", "the way back leads here once more"
    assert browser.cookies == {}


async def test_an_answer_to_no_logout_signs_nobody_out(browser: Browser, hostile: HostileProvider) -> None:
    """oidcc-client-test-rp-init-logout-invalid-state."""
    await browser.log_in(hostile)
    assert (await browser.get("/api/auth/logged-out?state=planted")).status_code == 400
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize(
    "headers",
    [{"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"origin": "https://evil.test"}, {}],
)
async def test_another_site_cannot_sign_anybody_out(browser: Browser, hostile: HostileProvider, headers: Any) -> None:
    """ASVS 3.5.1 and 3.5.3."""
    await browser.log_in(hostile)
    assert (await browser.post("/api/auth/logout", **headers)).status_code == 403
    assert "<form" in (await browser.get("/api/auth/logout", **headers)).text
    assert (await browser.verdict()).user is not None


async def test_a_page_that_knows_the_handle_may_sign_out_by_a_link(browser: Browser, hostile: HostileProvider) -> None:
    await browser.log_in(hostile)
    told = (await browser.get("/api/auth/session")).json()
    assert (told["authenticated"], told["subject"]) == (True, "ada")
    assert (await browser.get(told["logout"])).status_code == 303
    assert (await browser.get("/api/auth/session")).json() == {"authenticated": False}


async def test_a_logout_of_the_provider_reaches_every_replica_within_a_second(
    hostile: HostileProvider, clock: Clock, shared_store: str
) -> None:
    """Back-Channel Logout 2; ASVS 5.0, 7.4.2 and 7.6.1."""
    here, there = (Browser(replica(hostile, clock, session_store=shared_store)) for _ in range(2))
    await here.log_in(hostile)
    user = (await here.verdict()).user
    assert user is not None
    heard = there.oidc.ended()
    waiting = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0.1)
    answer = await here.back_channel(hostile.logout_token())
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert await asyncio.wait_for(waiting, 10) == user.session
    await heard.aclose()  # type: ignore[attr-defined]
    clock.pass_(2)
    assert (await here.verdict()).user is None
    await here.oidc.stop()
    await there.oidc.stop()
