"""Authorization responses: repeated parameters."""

import pytest

from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
async def test_a_parameter_that_comes_twice_is_refused(browser: Browser, hostile: HostileProvider, name: str) -> None:
    back = there_and_back(hostile, await browser.begin())
    assert (await browser.get(f"{back}&{name}=a&{name}=b")).status_code == 400
