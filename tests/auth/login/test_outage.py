"""The store goes away: before, during and after a login.

No user is logged out.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fluxlit.auth.contract import Verdict
from fluxlit_auth.login.login_session import Changed, Ended, Login, LoginSession
from fluxlit_sessions import SessionStoreUnavailable
from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider
from tests.sessions.servers import RedisServer, needs_redis, running, wait_until

pytestmark = [pytest.mark.anyio, needs_redis]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis that keeps what it has acknowledged."""
    with TemporaryDirectory(prefix="flx") as folder, running(RedisServer(Path(folder), persistent=True)) as server:
        yield server


@pytest.fixture
async def browser(hostile: HostileProvider, clock: Clock, server: RedisServer) -> AsyncIterator[Browser]:
    """Its login waits less for the store than by default.

    These tests wait until it gives up.
    """
    hasty = "timeout=0.6&read_budget=0.6&write_budget=0.6"
    browser = Browser(replica(hostile, clock, session_store=f"{server.url}?{hasty}"))
    yield browser
    await browser.oidc.stop()


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    server.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)
        with closing(server.client()) as client:
            wait_until(client.ping)


async def recovered(browser: Browser) -> Verdict:
    """The first verdict that is none about the store.

    On a busy machine it takes a moment to be itself again.
    """
    deadline = time.monotonic() + 60
    while (verdict := await browser.verdict()).problem is not None:
        assert time.monotonic() < deadline
    return verdict


@pytest.mark.parametrize("outage", [killed, frozen])
async def test_before_a_login(browser: Browser, hostile: HostileProvider, server: RedisServer, outage: type) -> None:
    with outage(server):
        answer = await browser.get("/api/auth/login?return_to=/orders")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "/api/auth/login?return_to=%2Forders" in answer.text, "the page leads to another try"
        assert browser.cookies == {}
    assert (await browser.log_in(hostile, "/orders")).headers["location"] == "/orders"


@pytest.mark.parametrize("outage", [killed, frozen])
async def test_between_login_and_callback(
    browser: Browser, hostile: HostileProvider, server: RedisServer, outage: type
) -> None:
    """A store that was away has not used up the response.

    One that hung may have done so when it went on.
    """
    back = there_and_back(hostile, await browser.begin("/orders"))
    with outage(server):
        answer = await browser.get(back)
        assert answer.status_code == 503
        assert not any("session" in name for name in browser.cookies)
        assert hostile.calls["token"] == 0, "a code is not redeemed for a session that could not be kept"
    again = await browser.get(back) if outage is killed else await browser.log_in(hostile, "/orders")
    assert (again.status_code, again.headers["location"]) == (303, "/orders")


@pytest.mark.parametrize("outage", [killed, frozen])
async def test_during_a_session(
    browser: Browser, hostile: HostileProvider, clock: Clock, server: RedisServer, outage: type
) -> None:
    """No logout by outage, and no new session.

    The cookie stays, and means the same afterwards.
    """
    await browser.log_in(hostile)
    cookies = dict(browser.cookies)
    clock.pass_(2)
    with outage(server):
        verdict = await browser.verdict()
        assert verdict.user is None
        assert verdict.problem is not None
        assert (verdict.problem.status, verdict.set_cookies) == (503, ())
        assert (await browser.get("/api/auth/session")).status_code == 503
        assert (await browser.post("/api/auth/logout", sec_fetch_site="same-origin")).status_code == 503
        assert (await browser.back_channel(hostile.logout_token())).status_code == 503
        assert browser.cookies == cookies
    user = (await recovered(browser)).user
    assert user is not None
    assert (user.subject, browser.cookies) == ("ada", cookies)
    assert hostile.calls["token"] == 1


async def test_during_a_refresh_the_new_tokens_are_not_lost(
    browser: Browser, hostile: HostileProvider, clock: Clock, server: RedisServer
) -> None:
    """The old refresh token is dead when the response comes.

    What the store did not take at once is offered again.
    """
    await browser.log_in(hostile)
    clock.pass_(3570)

    async def outage() -> None:
        server.kill()
        asyncio.get_running_loop().call_later(0.2, server.start)

    def once(endpoint: str) -> Awaitable[None] | None:
        if endpoint != "token":
            return None
        hostile.hook = None
        return outage()

    hostile.hook = once
    assert (await recovered(browser)).user is not None
    clock.pass_(3570)
    assert (await recovered(browser)).user is not None, "the token of the first refresh was stored"
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 2


async def test_new_tokens_whose_storing_went_unheard_are_found(
    hostile: HostileProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has written and then failed.

    Writing again meets the tokens, and they are no conflict.
    """
    browser = Browser(replica(hostile, clock))
    await browser.log_in(hostile)
    sessions = browser.oidc._running.context.sessions
    write = sessions.write
    unheard: list[Login] = []

    async def deaf(session: LoginSession, login: Login, *, turn_ends: float = 0.0) -> LoginSession | Ended | Changed:
        stored = await write(session, login, turn_ends=turn_ends)
        if login.access_token != session.login.access_token and not unheard:
            unheard.append(login)
            raise SessionStoreUnavailable("the response was lost", location="memory", may_have_applied=True)
        return stored

    monkeypatch.setattr(sessions, "write", deaf)
    clock.pass_(3570)
    assert (await browser.verdict()).user is not None
    assert len(unheard) == 1
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 1
