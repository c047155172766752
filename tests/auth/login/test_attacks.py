"""Attacks on a login that need more than one lie.

Planted cookies, replayed tokens, guessed tickets, ways out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from fluxlit_auth.login.encryption import new_secret
from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, HostileProvider
from tests.auth.login.test_return_path import OPEN_REDIRECTS

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_an_id_token_of_another_login_is_worth_nothing(browser: Browser, hostile: HostileProvider) -> None:
    """A replayed nonce: ASVS 5.0, 10.5.1; OpenID Connect Core 3.1.3.7 (11)."""
    made: list[str] = []
    make = hostile.id_token

    def once(nonce: str | None, access: str, code: str, changes: dict[str, Any]) -> str:
        made.append(make(nonce, access, code, changes))
        return made[0]

    hostile.id_token = once  # type: ignore[method-assign]
    hostile.claims |= {"at_hash": GONE, "c_hash": GONE}  # which would reveal it as well
    assert (await browser.log_in(hostile)).status_code == 303
    victim = Browser(browser.oidc)
    assert (await victim.log_in(hostile)).status_code == 400
    assert len(made) == 2
    assert (await victim.verdict()).user is None


@pytest.mark.parametrize("planted", ["fluxlit-session", "fluxlit-dev-443-session", "__Secure-fluxlit-session"])
async def test_a_sibling_domain_cannot_plant_a_session(
    browser: Browser, hostile: HostileProvider, planted: str
) -> None:
    """Cookie tossing.

    ASVS 5.0, 3.3.3. What a sibling may set has no `__Host-` in its name, and is not read.
    """
    attacker = Browser(browser.oidc)
    await attacker.log_in(hostile)
    browser.cookies[planted] = attacker.session
    assert (await browser.verdict()).user is None


async def test_a_sibling_domain_cannot_plant_a_login_under_way(browser: Browser, hostile: HostileProvider) -> None:
    """Cookie tossing and login CSRF: ASVS 5.0, 10.1.2."""
    attacker = Browser(browser.oidc)
    planted = there_and_back(hostile, await attacker.begin())
    for name, value in attacker.cookies.items():
        browser.cookies[name.replace("__Host-", "")] = value
        browser.cookies[name.replace("__Host-fluxlit-", "fluxlit-dev-443-")] = value
    assert (await browser.get(planted)).status_code == 400
    assert (await browser.verdict()).user is None


async def test_tickets_are_random_and_long(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 7.2.2 and 7.2.3.

    128 bits at least, here 256 in the id and 256 in the secret.
    """
    tickets: list[str] = []
    for _ in range(20):
        await browser.log_in(hostile)
        tickets.append(browser.session)
    assert len({part for ticket in tickets for part in ticket.split(".")}) == 40
    assert min(len(part) for ticket in tickets for part in ticket.split(".")) >= 43


@pytest.mark.parametrize("change", [lambda _: "", lambda s: s[:-1], lambda s: s + "A", lambda _: new_secret()])
async def test_a_session_opens_with_its_own_secret_only(
    browser: Browser, hostile: HostileProvider, change: Callable[[str], str]
) -> None:
    """ASVS 5.0, 7.2.1: the server alone decides, by what it has stored."""
    await browser.log_in(hostile)
    session_id, _, secret = browser.session.partition(".")
    thief = Browser(browser.oidc, cookies={"__Host-fluxlit-session": f"{session_id}.{change(secret)}"})
    assert (await thief.verdict()).user is None


async def test_tokens_stay_on_the_server(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 10.1.1 and 3.3.4.

    Neither the browser nor the application ever sees a token.
    """
    answer = await browser.log_in(hostile)
    told = await browser.get("/api/auth/session")
    user = (await browser.verdict()).user
    assert user is not None
    shown = f"{answer.headers} {answer.text} {told.headers} {told.text} {user!r} {json.dumps(dict(user.claims))}"
    assert hostile._refresh
    assert not [token for token in (*hostile._refresh, "at-", "eyJ") if token in shown]
    assert browser.session not in f"{told.text} {user!r}", "the ticket itself is not shown to scripts either"


@pytest.mark.parametrize("wanted", OPEN_REDIRECTS)
async def test_no_login_and_no_logout_leads_out(browser: Browser, hostile: HostileProvider, wanted: str) -> None:
    """Open redirect: ASVS 5.0, 3.7.2.

    Unlike the function alone, this is what a browser receives.
    """
    hostile.metadata["end_session_endpoint"] = None
    assert (await browser.log_in(hostile, wanted)).headers["location"] == "/"
    told = (await browser.get("/api/auth/session")).json()
    left = await browser.get(f"{told['logout']}&{urlencode({'return_to': wanted})}")
    assert (left.status_code, left.headers["location"].partition("?")[0]) == (303, "/api/auth/logged-out")
