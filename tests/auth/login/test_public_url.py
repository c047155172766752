"""The public address of the application."""

import pytest

from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_plain_http_is_for_this_machine(hostile: HostileProvider, clock: Clock) -> None:
    local = Browser(replica(hostile, clock, origin="http://localhost:8000"))
    assert (await local.log_in(hostile)).status_code == 303
    assert list(local.cookies) == ["fluxlit-dev-8000-session"]
    for origin in ("http://app.test", None):
        far = Browser(replica(hostile, clock, origin=origin))
        assert (await far.get("/api/auth/login")).status_code == 403
