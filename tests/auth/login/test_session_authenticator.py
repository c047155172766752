"""Requests with a session cookie."""

from pathlib import Path

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


async def test_a_session_under_a_former_key_is_no_outage(
    hostile: HostileProvider, clock: Clock, tmp_path: Path
) -> None:
    """After a change of the key its user can sign in again.

    The cookie may still be good on another replica.
    """
    store = f"sqlite:///{tmp_path / 's.db'}"
    old, new = (Browser(replica(hostile, clock, session_store=store, secret_key=letter * 40)) for letter in "on")
    await old.log_in(hostile)
    new.cookies = dict(old.cookies)
    verdict = await new.verdict()
    assert (verdict.user, verdict.problem, new.cookies) == (None, None, old.cookies)
    assert (await new.log_in(hostile)).status_code == 303
    assert (await new.verdict()).user is not None
    await old.oidc.stop()
    await new.oidc.stop()
