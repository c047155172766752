"""Logout by the user, at the provider and by the provider."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fluxlit_sessions import SessionStoreUnavailable
from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.faulty import make_faulty
from tests.auth.hostile import HostileProvider
from tests.sessions.servers import RedisServer, needs_redis

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_logout_ends_it_here_and_at_the_provider(browser: Browser, hostile: HostileProvider) -> None:
    """OpenID Connect RP-Initiated Logout 2 and 3; ASVS 7.4.1."""
    await browser.log_in(hostile)
    stolen = Browser(browser.oidc, cookies=dict(browser.cookies))
    assert (await stolen.verdict()).user is not None
    answer = await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
    query = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert answer.headers["location"].startswith(f"{hostile.issuer}/logout?")
    assert query["post_logout_redirect_uri"] == "https://app.test/api/auth/logged-out"
    assert query["id_token_hint"].count(".") == 2
    assert len(hostile.revoked) == 1
    assert (await stolen.verdict()).user is None
    assert (await browser.get("/api/auth/logged-out?state=other")).status_code == 400
    assert (await browser.get("/api/auth/logged-out")).status_code == 400
    farewell = await browser.get(f"/api/auth/logged-out?state={query['state']}")
    assert (farewell.status_code, farewell.headers["location"]) == (303, "/api/auth/logged-out")
    assert (await browser.get("/api/auth/logged-out")).status_code == 200
    again = await browser.get(f"/api/auth/logged-out?state={query['state']}")
    assert again.headers["location"] == "/api/auth/logged-out", "the way back leads here once more"
    assert browser.cookies == {}


async def test_an_answer_to_no_logout_signs_nobody_out(browser: Browser, hostile: HostileProvider) -> None:
    """oidcc-client-test-rp-init-logout-invalid-state."""
    await browser.log_in(hostile)
    assert (await browser.get("/api/auth/logged-out?state=planted")).status_code == 400
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize(
    "headers",
    [{"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"origin": "https://evil.test"}, {}],
)
async def test_another_site_cannot_sign_anybody_out(browser: Browser, hostile: HostileProvider, headers: Any) -> None:
    """ASVS 3.5.1 and 3.5.3."""
    await browser.log_in(hostile)
    assert (await browser.post("/api/auth/logout", **headers)).status_code == 403
    assert "<form" in (await browser.get("/api/auth/logout", **headers)).text
    assert (await browser.verdict()).user is not None


async def test_a_page_that_knows_the_handle_may_sign_out_by_a_link(browser: Browser, hostile: HostileProvider) -> None:
    await browser.log_in(hostile)
    told = (await browser.get("/api/auth/session")).json()
    assert (told["authenticated"], told["subject"]) == (True, "ada")
    assert (await browser.get(told["logout"])).status_code == 303
    assert (await browser.get("/api/auth/session")).json() == {"authenticated": False}


async def test_a_logout_of_the_provider_reaches_every_replica_within_a_second(
    hostile: HostileProvider, clock: Clock, shared_store: str
) -> None:
    """Back-Channel Logout 2; ASVS 5.0, 7.4.2 and 7.6.1."""
    here, there = (Browser(replica(hostile, clock, session_store=shared_store)) for _ in range(2))
    await here.log_in(hostile)
    user = (await here.verdict()).user
    assert user is not None
    heard = there.oidc.ended()
    waiting = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0.1)
    answer = await here.back_channel(hostile.logout_token())
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert await asyncio.wait_for(waiting, 10) == user.session
    await heard.aclose()  # type: ignore[attr-defined]
    clock.pass_(2)
    assert (await here.verdict()).user is None
    await here.oidc.stop()
    await there.oidc.stop()


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_a_logout_that_fails_at_any_step_is_finished_by_the_next(
    hostile: HostileProvider, clock: Clock, tmp_path: Path, late: bool
) -> None:
    """ASVS 5.0, 7.4.1.

    Announced and deleted in the end, whichever call of the store failed.
    """
    store = f"sqlite:///{tmp_path / 's.db'}"
    here, there = replica(hostile, clock, session_store=store), replica(hostile, clock, session_store=store)
    faults = make_faulty(here)
    for step in range(20):
        browser = Browser(here)
        await browser.log_in(hostile)
        stolen = Browser(there, cookies=dict(browser.cookies))
        user = (await stolen.verdict()).user
        assert user is not None
        faults.arm(step, late=late)
        answer = await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
        faults.disarm()
        if answer.status_code == 503:
            answer = await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
        assert answer.status_code in (200, 303)
        await here._running.context.revocations.announced()  # as the gateway does all the time
        assert user.session in await there._running.context.revocations.announced()
        clock.pass_(2)
        assert (await Browser(there, cookies=stolen.cookies).verdict()).user is None
        if not faults.hit:
            break
    else:
        raise AssertionError("a logout has no twenty steps")
    assert step > 3
    await here.stop()
    await there.stop()


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_a_back_channel_logout_that_fails_at_any_step_can_be_repeated(
    hostile: HostileProvider, clock: Clock, tmp_path: Path, late: bool
) -> None:
    """Back-Channel Logout 2.5; ASVS 5.0, 7.4.2.

    A token is used up only when its work is done.
    """
    store = f"sqlite:///{tmp_path / 's.db'}"
    here, there = replica(hostile, clock, session_store=store), replica(hostile, clock, session_store=store)
    faults = make_faulty(here)
    for step in range(30):
        hostile.claims["sid"] = f"sid-{step}"
        browser = Browser(there)
        await browser.log_in(hostile)
        user = (await browser.verdict()).user
        assert user is not None
        token = hostile.logout_token(sid=f"sid-{step}")
        faults.arm(step, late=late)
        first = (await Browser(here).back_channel(token)).status_code
        faults.disarm()
        assert first in (200, 503)
        again = (await Browser(here).back_channel(token)).status_code
        # If only the response to the very last call was lost, the token is used up, and rightly so.
        assert again == (200 if first == 503 else 400) or (late and again == 400)
        await here._running.context.revocations.announced()
        assert user.session in await there._running.context.revocations.announced()
        clock.pass_(2)
        assert (await browser.verdict()).user is None
        if not faults.hit:
            break
    else:
        raise AssertionError("a logout has no thirty steps")
    assert step > 5
    await here.stop()
    await there.stop()


async def test_an_announced_logout_is_refused_although_its_record_is_still_there(
    hostile: HostileProvider, clock: Clock, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 's.db'}"
    here, there = (Browser(replica(hostile, clock, session_store=store)) for _ in range(2))
    await here.log_in(hostile)
    there.cookies = dict(here.cookies)
    user = (await there.verdict()).user
    assert user is not None
    assert user.session is not None
    ended, polled = there.oidc.ended(), asyncio.Event()
    announced = there.oidc._running.context.revocations.announced

    async def poll() -> list[str]:
        found = await announced()
        polled.set()
        return found

    there.oidc._running.context.revocations.announced = poll  # type: ignore[method-assign]
    waiting = asyncio.ensure_future(anext(ended))
    await polled.wait()
    await here.oidc._running.context.revocations.announce([user.session])
    assert await asyncio.wait_for(waiting, 5) == user.session
    assert (await there.verdict()).user is None
    assert there.cookies == {}
    clock.pass_(2)
    assert (await here.verdict()).user is None, "its record is deleted by the replica that met it"
    await ended.aclose()  # type: ignore[attr-defined]
    await here.oidc.stop()
    await there.oidc.stop()


@needs_redis
async def test_a_logout_works_while_the_store_is_full(
    hostile: HostileProvider, clock: Clock, redis_server: RedisServer
) -> None:
    url = f"{redis_server.url}?namespace=full"
    here, there = (Browser(replica(hostile, clock, session_store=url)) for _ in range(2))
    await here.log_in(hostile)
    there.cookies = dict(here.cookies)
    user = (await there.verdict()).user
    assert user is not None
    with closing(redis_server.client()) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        try:
            clock.pass_(2)
            assert (await here.verdict()).user is not None, "a user who is signed in stays so"
            assert (await here.post("/api/auth/logout", sec_fetch_site="same-origin")).status_code == 303
            clock.pass_(2)
            assert (await there.verdict()).user is None
        finally:
            client.config_set("maxmemory", 0)
    assert user.session in await here.oidc._running.context.revocations.announced()
    assert user.session in await there.oidc._running.context.revocations.announced()
    await here.oidc.stop()
    await there.oidc.stop()


async def test_a_login_that_cannot_end_the_previous_one_fails_and_is_repeated(
    browser: Browser, hostile: HostileProvider, clock: Clock
) -> None:
    """ASVS 7.2.4.

    The old session is not left behind when the store fails in between.
    """
    await browser.log_in(hostile)
    stolen = Browser(browser.oidc, cookies=dict(browser.cookies))

    async def fail(*_: object) -> None:
        raise SessionStoreUnavailable("made to fail", location="test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(browser.oidc._running.context.sessions, "end_now", fail)
        assert (await browser.log_in(hostile)).status_code == 503
    assert (await browser.log_in(hostile)).status_code == 303
    clock.pass_(2)
    assert (await stolen.verdict()).user is None
