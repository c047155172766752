"""Login sessions in the store."""

from pathlib import Path

import pytest

from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_login_never_adopts_a_session(browser: Browser, hostile: HostileProvider) -> None:
    """Session fixation: ASVS 7.2.4."""
    await browser.log_in(hostile)
    planted = browser.session
    victim = Browser(browser.oidc, cookies={"__Host-fluxlit-session": planted})
    hostile.subject = "victim"
    await victim.log_in(hostile)
    assert victim.session != planted
    attacker = Browser(browser.oidc, cookies={"__Host-fluxlit-session": planted})
    assert (await attacker.verdict()).user is None, "the old session is dead"


async def test_a_dump_of_the_store_opens_nothing(hostile: HostileProvider, clock: Clock, tmp_path: Path) -> None:
    """The tickets of oauth2-proxy.

    Id and secret are in the cookie alone; ASVS 13.3 and 14.2.
    """
    path = tmp_path / "s.db"
    browser = Browser(replica(hostile, clock, session_store=f"sqlite:///{path}"))
    await browser.begin()
    await browser.log_in(hostile)
    await browser.oidc.stop()
    dump = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    secrets = [*browser.session.split("."), *hostile._refresh, hostile.requests[0]["state"], "Ada Lovelace"]
    assert dump
    assert [secret for secret in secrets if secret.encode() in dump] == []
