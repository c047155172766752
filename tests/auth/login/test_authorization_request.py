"""Pending authorization requests: of one browser, once, in time."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from fluxlit_auth.login import authorization_request
from fluxlit_auth.login.authorization_request import MAX_ADDRESSES, LoginBudget
from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


def random_text(size: int) -> str:
    """Characters that cannot be compressed."""
    return "".join(random.Random(size).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_callback_for_another_browser_is_refused(browser: Browser, hostile: HostileProvider) -> None:
    """Login CSRF and code injection.

    RFC 6749 10.12, RFC 9700 4.5 and 4.7; ASVS 5.0, 10.1.2.
    """
    attacker = Browser(browser.oidc)
    planted = there_and_back(hostile, await attacker.begin())
    await browser.begin()  # the victim has a login of its own under way
    assert (await browser.get(planted)).status_code == 400
    assert (await browser.verdict()).user is None
    assert (await attacker.get(planted)).status_code == 303, "and it is not spoilt for its owner"


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


@pytest.mark.parametrize("started", [8, 11])
async def test_of_many_logins_begun_in_one_second_the_newest_eight_can_end(
    browser: Browser, hostile: HostileProvider, started: int
) -> None:
    """A browser that restores its tabs: each one leads back to its own page."""
    back = [there_and_back(hostile, await browser.begin(f"/orders?q={number}")) for number in range(started)]
    answers = [await browser.get(each) for each in back]
    ended = [answer.headers.get("location") for answer in answers[-8:]]
    assert ended == [f"/orders?q={number}" for number in range(started)][-8:]
    assert [answer.status_code for answer in answers[:-8]] == [400] * (started - 8)


async def test_a_callback_that_is_bookmarked_leads_on_while_the_user_is_signed_in(
    browser: Browser, hostile: HostileProvider
) -> None:
    back = there_and_back(hostile, await browser.begin("/orders"))
    await browser.get(back)
    before = browser.session
    for path in (back, "/api/auth/callback?code=abc&state=def", "/api/auth/callback", "/api/auth/callback?error=x"):
        again = await browser.get(path)
        assert (again.status_code, again.headers["location"]) == (303, "/")
    assert browser.session == before
    other = Browser(browser.oidc)
    assert (await other.get(back)).status_code == 400, "without a login it is an error"


async def test_what_a_stranger_asks_for_does_not_grow_the_store(
    hostile: HostileProvider, clock: Clock, tmp_path: Path
) -> None:
    """However long its return path, a request costs the store few bytes."""
    sizes = []
    for return_to in ("/", "/" + "x" * 1900):
        path = tmp_path / f"{len(return_to)}.db"
        browser = Browser(replica(hostile, clock, session_store=f"sqlite:///{path}"))
        await browser.begin(return_to)
        with closing(sqlite3.connect(path)) as connection:
            sizes.append(connection.execute("SELECT sum(length(envelope)) FROM records").fetchone()[0])
        await browser.oidc.stop()
    assert sizes[0] == sizes[1] < 300


async def test_the_longest_return_path_fits_into_a_cookie(browser: Browser, hostile: HostileProvider) -> None:
    """RFC 6265 6.1.

    4096 bytes for name, value and attributes; ASVS 5.0, 3.3.5.
    """
    longest = "/" + random_text(1999)
    answer = await browser.get(f"/api/auth/login?return_to={longest}")
    [cookie] = answer.headers.get_list("set-cookie")
    assert len(cookie) < 4096
    back = await browser.get(there_and_back(hostile, answer.headers["location"]))
    assert back.headers["location"] == longest


async def test_a_long_selection_in_the_query_comes_back(browser: Browser, hostile: HostileProvider) -> None:
    """As of pages that keep their filters in the address."""
    longest = "/orders?" + "&".join(f"sel=product-{number:04d}" for number in range(320))
    answer = await browser.get(f"/api/auth/login?return_to={quote(longest)}")
    assert len(answer.headers["set-cookie"]) < 4096
    back = await browser.get(there_and_back(hostile, answer.headers["location"]))
    assert back.headers["location"] == longest


@pytest.mark.parametrize("size", [5000, 9000], ids=["cookie", "address"])
async def test_a_query_that_does_not_fit_is_left_out_and_the_page_is_right(
    browser: Browser, hostile: HostileProvider, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    query = random_text(size)
    answer = await browser.get(f"/api/auth/login?return_to=/orders%3F{query}")
    assert len(answer.headers["set-cookie"]) < 4096
    back = await browser.get(there_and_back(hostile, answer.headers["location"]))
    assert back.headers["location"] == "/orders"
    assert [query in line for line in caplog.messages if "without the query" in line] == [False] * (size < 8000)


async def test_pending_logins_with_long_paths_do_not_overfill_the_cookie_header(browser: Browser) -> None:
    for number in range(6):
        await browser.begin(f"/{number}" + random_text(1900))
        assert sum(map(len, browser.cookies.values())) <= 4096
    assert len(browser.cookies) == 1


async def test_one_address_has_a_budget_and_others_are_not_affected(
    browser: Browser, hostile: HostileProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization_request, "PER_ADDRESS", 5)
    for _ in range(5):
        await browser.begin()
    refused = await browser.get("/api/auth/login")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 600
    assert "set-cookie" not in refused.headers
    other = Browser(browser.oidc, address="192.0.2.2")
    assert (await other.log_in(hostile)).status_code == 303
    clock.pass_(600)
    assert (await browser.get("/api/auth/login")).status_code == 303


async def test_all_addresses_together_have_a_budget(
    browser: Browser, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization_request, "IN_TOTAL", 20)
    answers = [
        (await Browser(browser.oidc, address=f"192.0.2.{number}").get("/api/auth/login")).status_code
        for number in range(25)
    ]
    assert answers == [303] * 20 + [429] * 5
    clock.pass_(600)
    assert (await browser.get("/api/auth/login")).status_code == 303


def test_a_budget_takes_constant_memory(clock: Clock) -> None:
    budget = LoginBudget(clock)
    for number in range(3 * MAX_ADDRESSES):
        budget.spend(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(budget._counts) <= MAX_ADDRESSES


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1", True),
        ("x" * 100, "x" * 200, True),
    ],
)
def test_an_ipv6_client_is_its_network(clock: Clock, one: str, two: str, same: bool) -> None:
    budget = LoginBudget(clock)
    budget.spend(one)
    budget.spend(two)
    assert (len(budget._counts) == 1) is same


async def test_clients_without_an_address_share_the_total_only(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a UNIX socket no client has one; they must not be one client."""
    monkeypatch.setattr(authorization_request, "PER_ADDRESS", 2)
    browser.address = ""
    for _ in range(5):
        await browser.begin()
