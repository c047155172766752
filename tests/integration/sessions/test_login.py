"""To which user a session belongs when people log in and out.

One browser, one tab, two persons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates

from fluxlit.testing import Server
from tests.auth.hostile import HostileProvider
from tests.integration.sessions.test_replicas import Tab as PlainTab
from tests.integration.sessions.test_whole_session import kill_worker

pytestmark = pytest.mark.anyio


@dataclass
class Browser:
    """A browser: its cookies outlive the login of a user.

    Attributes:
        server: where it is.
        provider: who logs people in.
    """

    server: Server
    provider: HostileProvider
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60))

    def log_in(self, subject: str, roles: tuple[str, ...] = ()) -> None:
        self.provider.subject, self.provider.claims = subject, {"groups": list(roles)}
        answer = self.http.get(f"{self.server.url}/api/auth/login", follow_redirects=True)
        assert answer.status_code == 200, answer.text
        assert self.http.get(f"{self.server.url}/api/auth/session").json()["subject"] == subject

    def log_out(self) -> None:
        url = f"{self.server.url}/api/auth/logout"
        assert self.http.post(url, headers={"Sec-Fetch-Site": "same-origin"}).status_code in (200, 303)
        assert self.http.get(f"{self.server.url}/api/auth/session").json() == {"authenticated": False}

    def tab(self, resume: str | None = None, query: str = "", *, reloaded: bool = False) -> Tab:
        cookies = "; ".join(f"{each.name}={each.value}" for each in self.http.cookies.jar)
        tab = Tab(self.server.url, resume=resume, cookie=cookies, query=query)
        tab.marks = ("fluxlit-reloaded",) if reloaded else ()
        return tab


class Tab(PlainTab):
    """A tab that reports what it shows.

    Who, the clicks in `st.session_state`, the clicks in the URL's session.
    """

    async def show(self) -> tuple[str, int, int]:
        who, state, session = await self.run(query=self.query)
        return who, int(state), int(session)

    async def press(self) -> tuple[str, int, int]:
        pressed = WidgetStates()
        pressed.widgets.add(id=self.button, trigger_value=True)
        who, state, session = await self.run(widgets=pressed, query=self.query)
        return who, int(state), int(session)

    @property
    def sid(self) -> str:
        return parse_qs(self.query)["fluxlit_sid"][0]


@pytest.fixture
def browser(guarded: Server, provider: HostileProvider) -> Iterator[Browser]:
    browser = Browser(guarded, provider)
    yield browser
    browser.http.close()


@pytest.mark.parametrize("reloaded", [False, True], ids=["reconnects", "reloads"])
@pytest.mark.parametrize("killed", [False, True], ids=["same worker", "another worker"])
async def test_the_next_user_of_a_browser_gets_nothing_of_the_former_ones(
    browser: Browser, guarded: Server, *, reloaded: bool, killed: bool
) -> None:
    browser.log_in("ada")
    async with browser.tab() as ada:
        assert await ada.show() == ("ada", 0, 0)
        await ada.press()
        assert await ada.press() == ("ada", 2, 2)
        browser.log_out()
        await ada.closed()
    if killed:
        kill_worker(guarded)
    # The tab still knows the id of its session and its address, and offers both.
    async with browser.tab(ada.id, ada.query, reloaded=reloaded) as nobody:
        assert await nobody.show() == ("no user", 0, 0)
        assert nobody.id != ada.id
    browser.log_in("bob")
    for offered in (ada.id, nobody.id):
        async with browser.tab(offered, ada.query, reloaded=reloaded) as bob:
            assert await bob.show() == ("bob", 0, 0)
            assert bob.id not in (ada.id, nobody.id)
            assert (await bob.press())[1:] == (1, 1)
            assert bob.sid != ada.sid
    browser.log_out()
    browser.log_in("ada")
    async with browser.tab(ada.id, ada.query, reloaded=reloaded) as again:
        assert await again.show() == ("ada", 2, 2), "and she finds what she has left"


async def test_a_session_from_before_the_login_moves_and_leaves_nothing_to_who_planted_it(
    browser: Browser, guarded: Server, provider: HostileProvider
) -> None:
    attacker = Browser(guarded, provider)
    async with attacker.tab() as trap:
        await trap.show()
        assert await trap.press() == ("no user", 1, 1)
    browser.log_in("carol")
    async with browser.tab(query=trap.query) as victim:
        await victim.show()
        assert (await victim.press())[2] == 2
        assert victim.sid != trap.sid
    for query in (trap.query, victim.query):
        async with attacker.tab(query=query) as thief:
            assert await thief.show() == ("no user", 0, 0)
    attacker.http.close()


async def test_a_login_with_more_roles_gives_the_session_another_id(browser: Browser) -> None:
    browser.log_in("dora", ("staff",))
    async with browser.tab() as staff:
        await staff.show()
        await staff.press()
        browser.log_out()
        await staff.closed()
    browser.log_in("dora", ("staff", "admin"))
    async with browser.tab(query=staff.query) as admin:
        assert await admin.show() == ("dora", 0, 1)
        assert admin.sid != staff.sid
    async with browser.tab(query=staff.query) as late:
        assert await late.show() == ("dora", 0, 0)
