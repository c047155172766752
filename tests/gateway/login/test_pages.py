"""The whole way, in real processes: who may run which page, what they are told, and as whom they call the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from textwrap import dedent

import httpx
import pytest
import websockets

from fluxlit.testing import Server, run_server
from tests.support.processes import ROOT
from tests.support.session import Session

PORTAL = """
    import sys
    sys.path.insert(0, {root!r})

    from fastapi import Depends
    from fluxlit import CurrentUser, FluxLit, OptionalUser, current_user, require_roles
    from tests.gateway.login.scripted import Scripted

    app = FluxLit(title="Portal", auth=Scripted())

    @app.api.get("/me")
    def me(user: CurrentUser):
        return {{"subject": user.subject, "roles": sorted(user.roles)}}

    @app.api.delete("/orders", dependencies=[Depends(require_roles("admin", "boss"))])
    def orders():
        return "gone"

    @app.page("/", title="Home")
    def home(st, client, user: CurrentUser):
        st.text(f"home of {{user.name}} {{sorted(user.roles)}}")
        st.text(f"st.user {{st.user.sub}} {{st.user.is_logged_in}} {{st.user.email}}")
        st.text(f"api says {{client.get('/me').text}}")
        told = sorted(name for name in st.context.headers if name.lower().startswith("x-fluxlit"))
        st.text(f"headers {{told}} cookies {{sorted(st.context.cookies)}}")

    @app.page("/about", public=True)
    def about(st, client, user: OptionalUser):
        st.text(f"about for {{user.name if user else 'nobody'}}")
        st.text(f"api says {{client.get('/me').status_code}}")
        st.audio(b"a sound for " + (user.name if user else "nobody").encode())

    @app.page("/admin", roles={{"admin"}}, title="Vault")
    def admin(st):
        st.text(f"the vault is open for {{current_user().name}}")
"""


@pytest.fixture(scope="module", params=["workers", "embedded"])
def portal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("portal")
    (folder / "app.py").write_text(dedent(PORTAL).format(root=str(ROOT)))
    with run_server("app:app", folder, streamlit_mode=request.param) as server:
        yield server


ADA, BOB = "login=ada:admin", "login=bob"


def shown(server: Server, page: str, cookie: str | None = None) -> list[str]:
    async def visit() -> list[str]:
        async with Session(server.url, cookie=cookie) as session:
            return await session.run(page)

    return asyncio.run(visit())


def test_a_user_sees_home_as_themselves_everywhere(portal: Server) -> None:
    texts = shown(portal, "", ADA)
    assert "home of Ada ['admin']" in texts
    assert "st.user ada True ada@example.org" in texts
    assert 'api says {"subject":"ada","roles":["admin"]}' in texts
    assert "headers [] cookies ['_streamlit_xsrf']" in texts


def test_two_users_at_once_are_not_mixed_up(portal: Server) -> None:
    async def both() -> list[list[str]]:
        async with Session(portal.url, cookie=ADA) as hers, Session(portal.url, cookie=BOB) as his:
            return list(await asyncio.gather(*(each.run() for each in (hers, his))))

    hers, his = asyncio.run(both())
    assert 'api says {"subject":"ada","roles":["admin"]}' in hers
    assert 'api says {"subject":"bob","roles":[]}' in his


def test_the_socket_of_a_public_page_runs_no_other(portal: Server) -> None:
    assert "about for nobody" in shown(portal, "about")
    assert "api says 401" in shown(portal, "about")
    for page in ("", "admin"):
        texts = " ".join(shown(portal, page))
        assert "home of" not in texts
        assert "vault" not in texts
        assert "Sign in" in texts


def test_a_role_page_is_run_for_its_role_only(portal: Server) -> None:
    assert "the vault is open for Ada" in shown(portal, "admin", ADA)
    assert not [text for text in shown(portal, "admin", BOB) if "vault" in text]
    assert httpx.get(f"{portal.url}/admin", headers={"cookie": BOB}).status_code == 403
    assert httpx.get(f"{portal.url}/admin", headers={"cookie": ADA}).status_code == 200


def test_roles_of_the_api(portal: Server) -> None:
    same = {"sec-fetch-site": "same-origin"}
    assert httpx.delete(f"{portal.api_url}/orders", headers={"cookie": BOB, **same}).status_code == 403
    assert httpx.delete(f"{portal.api_url}/orders", headers={"cookie": ADA, **same}).json() == "gone"
    assert httpx.delete(f"{portal.api_url}/orders", headers={"cookie": ADA}).status_code == 403
    assert httpx.get(f"{portal.api_url}/me").status_code == 401


def test_the_openapi_document_has_the_scheme(portal: Server) -> None:
    document = httpx.get(f"{portal.api_url}/openapi.json", headers={"cookie": BOB}).json()
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert document["security"] == [{"token": []}]


def test_a_session_is_not_resumed_by_another_user(portal: Server) -> None:
    async def theft() -> tuple[str | None, str | None, list[str]]:
        async with Session(portal.url, cookie=ADA) as hers:
            await hers.run()
        async with Session(portal.url, cookie=BOB, resume=hers.id) as his:
            texts = await his.run()
        return hers.id, his.id, texts

    hers, his, texts = asyncio.run(theft())
    assert hers != his
    assert "home of Bob []" in texts


def test_the_websocket_closes_within_a_second_of_the_end_of_its_login(portal: Server) -> None:
    async def story() -> tuple[int, float]:
        async with Session(portal.url, cookie="login=eve") as session:
            await session.run()
            started = time.monotonic()
            async with httpx.AsyncClient() as http:
                await http.get(f"{portal.api_url}/auth/end?handle-eve")
            return await session.closed(5), time.monotonic() - started

    code, seconds = asyncio.run(story())
    assert code == 1008
    assert seconds < 1


def test_a_handshake_from_another_site_is_refused(portal: Server) -> None:
    async def attempt() -> int:
        url = portal.url.replace("http", "ws", 1) + "/_stcore/stream"
        try:
            async with websockets.connect(url, origin=websockets.Origin("https://evil.example"), proxy=None):
                return 101
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(attempt()) == 403


def test_media_are_given_to_whom_they_were_shown(portal: Server) -> None:
    async def sounds() -> tuple[list[int], list[int]]:
        async with Session(portal.url, cookie=ADA) as hers, httpx.AsyncClient(base_url=portal.url) as http:
            address = (await hers.sounds("about"))[0]
            statuses = [
                (await http.get(address, headers={"cookie": cookie})).status_code for cookie in (ADA, BOB, "a=b")
            ]
        async with Session(portal.url) as theirs, httpx.AsyncClient(base_url=portal.url) as http:
            address = (await theirs.sounds("about"))[0]
            return statuses, [(await http.get(address)).status_code]

    assert asyncio.run(sounds()) == ([200, 404, 404], [200])
