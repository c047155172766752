"""What the tests of logins share."""

import httpx2
import pytest

from fluxlit_auth.web import Web
from tests.auth.hostile import HostileProvider


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hostile(clock: Clock) -> HostileProvider:
    return HostileProvider(clock=clock)


@pytest.fixture
def web(hostile: HostileProvider) -> Web:
    return Web(httpx2.ASGITransport(app=hostile))
