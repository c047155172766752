"""Requests with a session cookie."""

import pytest

from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_session_ends_unused_and_in_any_case(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """ASVS 7.3.1 and 7.3.2."""
    hostile.expires_in = 10**6
    await browser.log_in(hostile)
    for _ in range(23):
        clock.pass_(3500)
        assert (await browser.verdict()).user is not None
    clock.pass_(3601)
    gone = await browser.verdict()
    assert gone.user is None
    assert gone.problem is None
    assert browser.cookies == {}
