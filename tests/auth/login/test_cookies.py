"""The cookies of a login: attributes, sizes, names."""

import time

import pytest

from fluxlit_auth.login.cookies import read_cookies
from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_cookies_are_as_strict_as_they_can_be(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 3.3.1 to 3.3.5."""
    back = await browser.log_in(hostile)
    for cookie in back.headers.get_list("set-cookie"):
        name, *attributes = cookie.split("; ")
        assert name.startswith("__Host-fluxlit-")
        assert {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"} <= set(attributes)
        assert len(cookie) < 4096


async def test_many_groups_do_not_make_the_cookie_larger(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 3.3.5."""
    hostile.claims["groups"] = [f"group-{number:08}" for number in range(5000)]
    await browser.log_in(hostile)
    user = (await browser.verdict()).user
    assert user is not None
    assert len(user.roles) == 5000
    assert len(browser.session) < 100


async def test_attempts_do_not_pile_up_in_the_browser(browser: Browser) -> None:
    for _ in range(12):
        await browser.begin()
    assert len(browser.cookies) == 8


async def test_two_cookies_of_one_name_are_none(browser: Browser, hostile: HostileProvider) -> None:
    """Cookie tossing: one of them was planted."""
    await browser.log_in(hostile)
    scope = browser.scope("/")
    scope["headers"].append((b"cookie", b"__Host-fluxlit-session=planted"))
    assert (await browser.oidc.authenticate(scope)).user is None


async def test_a_development_cookie_is_not_taken_over_tls(browser: Browser, hostile: HostileProvider) -> None:
    await browser.log_in(hostile)
    tossed = Browser(browser.oidc, cookies={"fluxlit-dev-443-session": browser.session})
    assert (await tossed.verdict()).user is None


@pytest.mark.parametrize("mount", ["", "/apps/one"])
async def test_applications_of_one_host_do_not_share_a_login(
    hostile: HostileProvider, clock: Clock, mount: str
) -> None:
    browser = Browser(replica(hostile, clock), mount=mount)
    back = await browser.log_in(hostile, f"{mount}/page")
    assert back.headers["location"] == f"{mount}/page"
    assert hostile.requests[0]["redirect_uri"] == f"https://app.test{mount}/api/auth/callback"
    neighbour = Browser(browser.oidc, mount="/apps/two", cookies=browser.cookies)
    assert (await neighbour.verdict()).user is None


PIECES = [*("; ", " ", "\t", "=", "a", "a;", ",", '"', "-", ";"), ";__Host-fluxlit-a=", "fluxlit-dev-a=b;"]


@pytest.mark.parametrize("piece", PIECES)
def test_reading_cookies_takes_linear_time(piece: str) -> None:
    """64 kB of any delimiter must not hold the event loop.

    Four times the input, about four times the time.
    """

    def seconds(size: int) -> float:
        scope = {"headers": [(b"cookie", (piece * size)[:size].encode())]}
        best = float("inf")
        for _ in range(5):
            begin = time.thread_time()  # of this thread alone, however busy the machine is
            read_cookies(scope)
            best = min(best, time.thread_time() - begin)
        return best

    assert seconds(65536) < 10 * seconds(16384) + 0.001


def test_cookies_are_read_as_they_are_sent() -> None:
    text = b"a=b; __Host-fluxlit-session=one.two ;fluxlit-dev-8000-session=x;__Host-fluxlit-x=a b; __Host-fluxlit-y="
    assert read_cookies({"headers": [(b"cookie", text), (b"cookie", b"__Host-fluxlit-session=three")]}) == {
        "__Host-fluxlit-session": ("one.two", "three"),
        "fluxlit-dev-8000-session": ("x",),
    }
