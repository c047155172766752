"""Token refresh: once over all replicas, and what a failure means."""

import asyncio
from typing import Any

import pytest

from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_replicas_refresh_once_and_share_what_they_get(
    hostile: HostileProvider, clock: Clock, shared_store: str
) -> None:
    here, there = (Browser(replica(hostile, clock, session_store=shared_store)) for _ in range(2))
    await here.log_in(hostile)
    there.cookies = dict(here.cookies)
    clock.pass_(3550)
    found = await asyncio.gather(*(each.verdict() for each in (here, there) * 10))
    assert all(verdict.user is not None for verdict in found)
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 1
    clock.pass_(3550)
    assert (await there.verdict()).user is not None, "the token of the rotation was stored"
    await here.oidc.stop()
    await there.oidc.stop()


async def test_a_refused_refresh_ends_the_session(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """ASVS 5.0, 7.6.1."""
    await browser.log_in(hostile)
    clock.pass_(3599)
    hostile.failing["token"] = 400
    hostile._refresh.clear()
    assert (await browser.verdict()).user is None
    assert browser.cookies == {}


async def test_a_provider_that_is_down_keeps_a_good_token_alive_and_no_longer(
    browser: Browser, hostile: HostileProvider, clock: Clock
) -> None:
    await browser.log_in(hostile)
    clock.pass_(3570)
    hostile.failing["token"] = 503
    assert (await browser.verdict()).user is not None
    clock.pass_(31)
    problem = (await browser.verdict()).problem
    assert problem is not None
    assert problem.status == 503
    hostile.failing.clear()
    clock.pass_(31)
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize("lie", [{"sub": "eve"}, {"iss": "https://evil.test"}, {"aud": "other"}])
async def test_a_refresh_about_somebody_else_ends_the_session(
    browser: Browser, hostile: HostileProvider, clock: Clock, lie: dict[str, Any]
) -> None:
    """oidcc-client-test-refresh-token-invalid-sub and -invalid-issuer; OpenID Connect Core 12.2."""
    await browser.log_in(hostile)
    hostile.refreshed.update(lie)
    clock.pass_(3570)
    assert (await browser.verdict()).user is None


async def test_a_refresh_without_an_id_token_is_fine(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """OpenID Connect Core 12.2: it might not contain one."""
    await browser.log_in(hostile)
    hostile.refreshed["id_token"] = GONE
    clock.pass_(3570)
    user = (await browser.verdict()).user
    assert user is not None
    assert (user.subject, user.name) == ("ada", "Ada Lovelace")
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 1
