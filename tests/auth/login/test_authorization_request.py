"""Pending authorization requests: of one browser, once, in time."""

import pytest

from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_callback_for_another_browser_is_refused(browser: Browser, hostile: HostileProvider) -> None:
    """Login CSRF and code injection: RFC 6749 10.12, RFC 9700 4.5 and 4.7; ASVS 5.0, 10.1.2."""
    attacker = Browser(browser.oidc)
    planted = there_and_back(hostile, await attacker.begin())
    await browser.begin()  # the victim has a login of its own under way
    assert (await browser.get(planted)).status_code == 400
    assert (await browser.verdict()).user is None
    assert (await attacker.get(planted)).status_code == 303, "and it is not spoilt for whom it belongs to"


async def test_a_callback_works_once(browser: Browser, hostile: HostileProvider) -> None:
    """A replayed state: RFC 9700 4.7.1; ASVS 5.0, 10.1.2."""
    back = there_and_back(hostile, await browser.begin())
    cookies = dict(browser.cookies)
    assert (await browser.get(back)).status_code == 303
    thief = Browser(browser.oidc, cookies=cookies)
    assert (await thief.get(back)).status_code == 400


async def test_a_callback_comes_in_time(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    back = there_and_back(hostile, await browser.begin())
    clock.pass_(601)
    assert (await browser.get(back)).status_code == 400


async def test_two_tabs_log_in_at_once(browser: Browser, hostile: HostileProvider) -> None:
    first, second = await browser.begin("/one"), await browser.begin("/two")
    assert (await browser.get(there_and_back(hostile, second))).headers["location"] == "/two"
    assert (await browser.get(there_and_back(hostile, first))).headers["location"] == "/one"
    assert (await browser.verdict()).user is not None
