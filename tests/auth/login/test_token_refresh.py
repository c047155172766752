"""Token refresh: once over all replicas, and what a failure means."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from fluxlit_auth import OIDC
from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, RSA_KEYS, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_replicas_refresh_once_and_share_what_they_get(
    hostile: HostileProvider, clock: Clock, shared_store: str
) -> None:
    here, there = (Browser(replica(hostile, clock, session_store=shared_store)) for _ in range(2))
    await here.log_in(hostile)
    there.cookies = dict(here.cookies)
    clock.pass_(3550)
    found = await asyncio.gather(*(each.verdict() for each in (here, there) * 10))
    assert all(verdict.user is not None for verdict in found)
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 1
    clock.pass_(3550)
    assert (await there.verdict()).user is not None, "the token of the rotation was stored"
    await here.oidc.stop()
    await there.oidc.stop()


JSON, HTML = "application/json", "text/html"


@pytest.mark.parametrize(
    "error", ["invalid_grant", "bad_refresh_token", "interaction_required", "login_required", "consent_required"]
)
async def test_a_refused_grant_ends_the_session(
    browser: Browser, hostile: HostileProvider, clock: Clock, error: str
) -> None:
    """ASVS 5.0, 7.6.1; RFC 6749 5.2."""
    await browser.log_in(hostile)
    clock.pass_(3599)
    hostile.instead["token"] = (400, f'{{"error": "{error}"}}', JSON)
    assert (await browser.verdict()).user is None
    assert browser.cookies == {}


OUTAGES = [
    (400, '{"error": "temporarily_unavailable"}', JSON),
    (400, '{"error": "server_error"}', JSON),
    (400, '{"error": {"code": 1}}', JSON),
    (400, "", JSON),
    (403, '{"message": "Forbidden"}', JSON),
    (403, "<h1>Request blocked</h1>", HTML),
    (404, '{"message": "no Route matched with those values"}', JSON),
    (408, '{"error": "request_timeout"}', JSON),
    (429, '{"error": "invalid_grant"}', JSON),
    (502, "<h1>Bad Gateway</h1>", HTML),
    (200, "<h1>Maintenance</h1>", HTML),
    (200, "{}", JSON),
]
OURS = [(401, '{"error": "invalid_client"}', JSON), (400, '{"error": "unauthorized_client"}', JSON)]


@pytest.mark.parametrize("response", [*OUTAGES, *OURS], ids=lambda response: f"{response[0]} {response[1][:30]}")
async def test_every_other_answer_is_no_statement_about_the_user(
    browser: Browser,
    hostile: HostileProvider,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    response: tuple[int, str, str],
) -> None:
    """RFC 6749 5.2.

    A firewall, an overload or an expired client secret must not sign all users out.
    """
    await browser.log_in(hostile)
    clock.pass_(3570)
    hostile.instead["token"] = response
    assert (await browser.verdict()).user is not None
    clock.pass_(31)
    problem = (await browser.verdict()).problem
    assert problem is not None
    assert problem.status == 503
    failures = [record for record in caplog.records if "Token refresh failed" in record.getMessage()]
    assert failures
    assert {record.levelname for record in failures} == {"ERROR" if response in OURS else "WARNING"}
    assert all(("refuses this client" in record.getMessage()) == (response in OURS) for record in failures)
    hostile.instead.clear()
    clock.pass_(31)
    assert (await browser.verdict()).user is not None


async def test_a_userinfo_that_responded_before_and_is_refused_now_is_an_outage(
    browser: Browser, hostile: HostileProvider, clock: Clock
) -> None:
    hostile.userinfo["groups"] = ["admin"]
    await browser.log_in(hostile)
    clock.pass_(3570)
    hostile.instead["userinfo"] = (403, "<h1>Request blocked</h1>", HTML)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == {"admin"}
    hostile.instead.clear()
    hostile.userinfo["groups"] = []
    clock.pass_(16)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == frozenset(), "asked again soon"


async def test_a_provider_that_is_down_keeps_a_good_token_alive_and_no_longer(
    browser: Browser, hostile: HostileProvider, clock: Clock
) -> None:
    await browser.log_in(hostile)
    clock.pass_(3570)
    hostile.failing["token"] = 503
    assert (await browser.verdict()).user is not None
    clock.pass_(31)
    problem = (await browser.verdict()).problem
    assert problem is not None
    assert problem.status == 503
    hostile.failing.clear()
    clock.pass_(31)
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize("lie", [{"sub": "eve"}, {"iss": "https://evil.test"}, {"aud": "other"}])
async def test_a_refresh_about_somebody_else_ends_the_session(
    browser: Browser, hostile: HostileProvider, clock: Clock, lie: dict[str, Any]
) -> None:
    """oidcc-client-test-refresh-token-invalid-sub and -invalid-issuer.

    OpenID Connect Core 12.2.
    """
    await browser.log_in(hostile)
    hostile.refreshed.update(lie)
    clock.pass_(3570)
    assert (await browser.verdict()).user is None


async def test_a_refresh_without_an_id_token_is_fine(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """OpenID Connect Core 12.2: it might not contain one."""
    await browser.log_in(hostile)
    hostile.refreshed["id_token"] = GONE
    clock.pass_(3570)
    user = (await browser.verdict()).user
    assert user is not None
    assert (user.subject, user.name) == ("ada", "Ada Lovelace")
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 1


@pytest.mark.parametrize("endpoint", ["token", "userinfo", "jwks"])
@pytest.mark.parametrize("status", [200, 400, 503], ids=str)
async def test_a_login_that_is_revoked_during_a_refresh_is_not_served(
    hostile: HostileProvider, clock: Clock, tmp_path: Path, endpoint: str, status: int
) -> None:
    """ASVS 5.0, 7.4.1.

    At any moment, and regardless of what the provider responds afterwards.
    """
    store = f"sqlite:///{tmp_path / 's.db'}"
    here, other = (Browser(replica(hostile, clock, session_store=store)) for _ in range(2))
    await here.log_in(hostile)
    user = (await here.verdict()).user
    assert user is not None
    assert user.session is not None
    handle = user.session
    clock.pass_(3570)
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]  # so that the keys are fetched, too
    revoked: list[str] = []

    def revoke(name: str) -> Any:
        if name != endpoint or revoked:
            return None
        revoked.append(handle)
        if status != 200:
            hostile.failing[name] = status
        return other.oidc._running.context.sessions.end([handle], "test")

    hostile.hook = revoke
    verdict = await here.verdict()
    assert revoked, "the endpoint was asked"
    assert verdict.user is None
    hostile.failing.clear()
    clock.pass_(2)
    assert (await here.verdict()).user is None
    await here.oidc.stop()
    await other.oidc.stop()


async def test_a_login_that_is_revoked_while_another_replica_refreshes_is_not_served(
    hostile: HostileProvider, clock: Clock, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 's.db'}"
    here, there, other = (
        Browser(replica(hostile, clock, session_store=store, login_idle_timeout_s=7200.0)) for _ in range(3)
    )
    await here.log_in(hostile)
    user = (await here.verdict()).user
    assert user is not None
    assert user.session is not None
    there.cookies = dict(here.cookies)
    clock.pass_(3601)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await go_on.wait()

    hostile.hook = lambda name: wait() if name == "token" else None
    refreshing = asyncio.ensure_future(here.verdict())
    await asyncio.wait_for(asked.wait(), 10)
    waiting = asyncio.ensure_future(there.verdict())
    await other.oidc._running.context.sessions.end([user.session], "test")
    go_on.set()
    assert (await refreshing).user is None
    assert (await waiting).user is None
    for each in (here, there, other):
        await each.oidc.stop()


SOURCES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "absent from the ID token": ({"claims": {"groups": ["admin"]}}, {"refreshed": {"groups": GONE}}),
    "empty in the ID token": ({"claims": {"groups": ["admin"]}}, {"refreshed": {"groups": []}}),
    "absent from UserInfo": ({"userinfo": {"groups": ["admin"]}}, {"userinfo": {}}),
    "empty in UserInfo": ({"userinfo": {"groups": ["admin"]}}, {"userinfo": {"groups": []}}),
    "UserInfo, no ID token": ({"userinfo": {"groups": ["admin"]}}, {"userinfo": {}, "refreshed": {"id_token": GONE}}),
}


@pytest.mark.parametrize("case", SOURCES)
async def test_a_role_that_was_taken_away_is_gone_after_a_refresh(
    browser: Browser, hostile: HostileProvider, clock: Clock, case: str
) -> None:
    before, after = SOURCES[case]
    for name, value in before.items():
        setattr(hostile, name, value)
    await browser.log_in(hostile)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == {"admin"}
    for name, value in after.items():
        setattr(hostile, name, value)
    clock.pass_(3570)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == frozenset()
    assert not user.claims.get("groups")
    assert user.claims["sid"] == "sid-1", "facts of the login itself remain"


async def test_a_role_that_was_given_arrives_with_a_refresh(
    browser: Browser, hostile: HostileProvider, clock: Clock
) -> None:
    await browser.log_in(hostile)
    hostile.userinfo["groups"] = ["admin"]
    clock.pass_(3570)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == {"admin"}


async def test_claims_that_a_provider_omits_by_mistake_can_be_kept(hostile: HostileProvider, clock: Clock) -> None:
    hostile.claims["groups"] = ["admin"]
    oidc = OIDC(transport=httpx.ASGITransport(app=hostile), clock=clock, kept_claims=("groups",))
    browser = Browser(replica(hostile, clock, oidc=oidc))
    await browser.log_in(hostile)
    hostile.refreshed["groups"] = GONE
    clock.pass_(3570)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == {"admin"}
    hostile.refreshed["groups"] = []
    clock.pass_(3570)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == frozenset(), "what is stated is never overruled"


@pytest.mark.parametrize("endpoint", ["userinfo", "jwks"])
async def test_new_tokens_are_kept_when_the_claims_cannot_be_fetched_and_these_are_asked_again_soon(
    browser: Browser, hostile: HostileProvider, clock: Clock, endpoint: str
) -> None:
    hostile.userinfo["groups"] = ["admin"]
    await browser.log_in(hostile)
    clock.pass_(3570)
    hostile.failing[endpoint] = 503
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]
    hostile.userinfo["groups"] = []
    assert (await browser.verdict()).user is not None
    hostile.failing.clear()
    clock.pass_(16)
    browser.oidc._running.context.provider.keys._keys._failure = None  # its pause is one of the real clock
    browser.oidc._running.context.provider.keys._keys._asked = -60.0
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == frozenset()
