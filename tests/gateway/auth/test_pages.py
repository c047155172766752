"""The whole way, in real processes.

Who may run which page, what they see, and as which user they call the API.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
import websockets

from fluxlit.auth.contract import User
from fluxlit.auth.user_headers import facts_of
from fluxlit.testing import Server, run_server
from tests.support.ports import free_port
from tests.support.processes import ROOT, background, clean_environ
from tests.support.session import Session

pytestmark = pytest.mark.slow

PORTAL = """
    import sys
    sys.path.insert(0, {root!r})

    from fastapi import Depends
    from fluxlit import CurrentUser, FluxLit, OptionalUser, Pages, current_user, require_roles
    from tests.gateway.auth.scripted import Scripted

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
        st.text(f"st.user {{st.user.sub}} {{st.user.get('is_logged_in')}} {{st.user.email}}")
        st.text(f"api sent {{client.get('/me').text}}")
        found = sorted(name for name in st.context.headers if name.lower().startswith("x-fluxlit"))
        st.text(f"headers {{found}} cookies {{sorted(st.context.cookies)}}")

    @app.page("/about", public=True)
    def about(st, client, user: OptionalUser, pages: Pages):
        if "go" in st.query_params:
            st.switch_page(pages[st.query_params.go])
        st.text(f"may go: {{'/admin' in pages}}")
        st.text(f"about for {{user.name if user else 'no user'}}")
        st.text(f"api sent {{client.get('/me').status_code}}")
        st.audio(b"a sound for " + (user.name if user else "no user").encode())

    @app.page("/admin", roles={{"admin"}}, title="Vault")
    def admin(st):
        st.text(f"the vault is open for {{current_user().name}}")
"""


PAGES = """
    from pathlib import Path
    from fluxlit.worker.external_pages import run_pages

    run_pages("app:app", api_url=Path("api_url").read_text())
"""

FACTS = {name: f"X-FluxLit-User-{fact}" for name, fact in (("sub", "Subject"), ("iss", "Issuer"), ("email", "Email"))}
TRUSTED = {"STREAMLIT_SERVER_TRUSTED_USER_HEADERS": json.dumps({field: name for name, field in FACTS.items()})}


@contextlib.contextmanager
def elsewhere(folder: Path, **environ: str) -> Iterator[str]:
    """The pages under a `streamlit run` of their own; its address."""
    port = free_port()
    (folder / "pages_server.py").write_text(dedent(PAGES))
    command = [sys.executable, "-m", "streamlit", "run", "pages_server.py", f"--server.port={port}"]
    options = ["--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false"]
    with background([*command, *options], cwd=folder, environ=clean_environ(**environ)):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def portal_of(folder: Path, mode: str, **environ: str) -> Iterator[Server]:
    """The application, served with its pages in one of the three places."""
    (folder / "app.py").write_text(dedent(PORTAL).format(root=str(ROOT)))
    with contextlib.ExitStack() as stack:
        settings: dict[str, Any] = {"streamlit_mode": mode}
        if mode == "external":
            settings = {"streamlit_upstream": stack.enter_context(elsewhere(folder, **(environ or TRUSTED)))}
        server = stack.enter_context(run_server("app:app", folder, **settings))
        (folder / "api_url").write_text(server.api_url)
        yield server


@pytest.fixture(scope="module", params=["workers", "embedded", "external"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def portal(place: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with portal_of(tmp_path_factory.mktemp("portal"), place) as server:
        yield server


ADMIN = frozenset({"admin"})
ADA, BOB = "login=ada:admin", "login=bob"


def shown(server: Server, page: str, cookie: str | None = None) -> list[str]:
    async def visit() -> list[str]:
        async with Session(server.url, cookie=cookie) as session:
            return await session.run(page)

    return asyncio.run(visit())


def test_a_user_sees_home_as_themselves_everywhere(portal: Server, place: str) -> None:
    """ASVS 5.0, 8.3.1 and 8.3.3.

    Pages and API decide by the same user, named by the gateway alone.
    """
    texts = shown(portal, "", ADA)
    assert "home of Ada ['admin']" in texts
    assert 'api sent {"subject":"ada","roles":["admin"]}' in texts
    if place == "external":
        assert "st.user ada None ada@example.org" in texts
        assert [text for text in texts if text.endswith("cookies ['_streamlit_xsrf']")]
    else:
        assert "st.user ada True ada@example.org" in texts
        assert "headers [] cookies ['_streamlit_xsrf']" in texts


FORGED = {
    "X-FluxLit-User": base64.urlsafe_b64encode(json.dumps(facts_of(User("root", "x", "Root", roles=ADMIN))).encode()),
    "X-FluxLit-Run": b"guessed",
    "X-FluxLit-User-Subject": b"root",
    "X-FluxLit-User-Email": b"root@example.org",
    "X-FluxLit-User-Roles": b"admin",
    "X_FluxLit_User_Subject": b"root",
    "X-Forwarded-User": b"root",
    "X-Forwarded-Groups": b"admin",
    "Remote-User": b"root",
    "X-Amzn-Oidc-Identity": b"root",
    "X-Ms-Client-Principal-Id": b"root",
}
"""What a client sends to pose as another user, all of it at once."""


@pytest.mark.parametrize("cookie", [None, BOB])
def test_forged_names_of_users_are_worth_nothing(portal: Server, cookie: str | None) -> None:
    """ASVS 5.0, 4.1.3.

    What intermediaries say of a user cannot be said by the user; over HTTP and WebSocket alike.
    """
    forged = {name: value.decode() for name, value in FORGED.items()}

    async def visit(page: str) -> str:
        async with Session(portal.url, cookie=cookie, headers=forged) as session:
            return " ".join(await session.run(page))

    about, home, admin = (asyncio.run(visit(page)) for page in ("about", "", "admin"))
    assert f"about for {'Bob' if cookie else 'no user'}" in about
    assert f"api sent {200 if cookie else 401}" in about
    assert ("home of Bob []" in home) == bool(cookie)
    assert "vault" not in admin
    assert "Root" not in about + home + admin
    known = {"cookie": cookie} if cookie else {}
    answer = httpx.get(f"{portal.api_url}/me", headers={**forged, **known}, timeout=60)
    assert (answer.status_code, answer.json().get("subject")) == ((200, "bob") if cookie else (401, None))
    assert httpx.get(f"{portal.url}/admin", headers={**forged, **known}, timeout=60).status_code in (302, 403)
    same = {"sec-fetch-site": "same-origin"}
    assert httpx.delete(f"{portal.api_url}/orders", headers={**forged, **known, **same}, timeout=60).status_code in (
        401,
        403,
    )


def test_a_streamlit_elsewhere_that_does_not_know_users_shows_them_nothing(tmp_path: Path) -> None:
    with portal_of(tmp_path, "external", HOME=str(tmp_path)) as server:
        texts = " ".join(shown(server, "", ADA))
    assert "STREAMLIT_SERVER_TRUSTED_USER_HEADERS" in texts
    assert "home of" not in texts


def test_two_users_at_once_are_not_mixed_up(portal: Server) -> None:
    async def both() -> list[list[str]]:
        async with Session(portal.url, cookie=ADA) as hers, Session(portal.url, cookie=BOB) as his:
            return list(await asyncio.gather(*(each.run() for each in (hers, his))))

    hers, his = asyncio.run(both())
    assert 'api sent {"subject":"ada","roles":["admin"]}' in hers
    assert 'api sent {"subject":"bob","roles":[]}' in his


def test_the_socket_of_a_public_page_runs_no_other(portal: Server) -> None:
    assert "about for no user" in shown(portal, "about")
    assert "api sent 401" in shown(portal, "about")
    for page in ("", "admin"):
        texts = " ".join(shown(portal, page))
        assert "home of" not in texts
        assert "vault" not in texts
        assert "Sign in" in texts


@pytest.mark.parametrize("cookie", [None, BOB, ADA])
def test_a_link_to_a_page_opens_it_for_nobody_else(portal: Server, cookie: str | None) -> None:
    """ASVS 5.0, 8.3.1: the page decides, not what leads to it."""

    async def sent() -> str:
        async with Session(portal.url, cookie=cookie) as session:
            texts = await session.run("about", query="go=/admin")
            while not any("vault" in text or "for users with" in text or "Sign in" in text for text in texts):
                texts += await session.shown(20)
            return " ".join(texts)

    # In a run of its own: a switch discards what the left page has not sent yet.
    assert f"may go: {cookie == ADA}" in shown(portal, "about", cookie)
    assert ("the vault is open" in asyncio.run(sent())) == (cookie == ADA)


def test_a_role_page_is_run_for_its_role_only(portal: Server) -> None:
    """ASVS 5.0, 8.2.1."""
    assert "the vault is open for Ada" in shown(portal, "admin", ADA)
    assert not [text for text in shown(portal, "admin", BOB) if "vault" in text]
    assert httpx.get(f"{portal.url}/admin", headers={"cookie": BOB}, timeout=60).status_code == 403
    assert httpx.get(f"{portal.url}/admin", headers={"cookie": ADA}, timeout=60).status_code == 200


def test_roles_of_the_api(portal: Server) -> None:
    same = {"sec-fetch-site": "same-origin"}
    assert httpx.delete(f"{portal.api_url}/orders", headers={"cookie": BOB, **same}, timeout=60).status_code == 403
    assert httpx.delete(f"{portal.api_url}/orders", headers={"cookie": ADA, **same}, timeout=60).json() == "gone"
    assert httpx.delete(f"{portal.api_url}/orders", headers={"cookie": ADA}, timeout=60).status_code == 403
    assert httpx.get(f"{portal.api_url}/me", timeout=60).status_code == 401


def test_the_openapi_document_has_the_scheme(portal: Server) -> None:
    document = httpx.get(f"{portal.api_url}/openapi.json", headers={"cookie": BOB}, timeout=60).json()
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
            async with httpx.AsyncClient(timeout=60) as http:
                await http.get(f"{portal.api_url}/auth/end?handle-eve")
            return await session.closed(), time.monotonic() - started

    code, seconds = asyncio.run(story())
    assert code == 1008
    assert seconds < 10  # a second, and what a busy machine adds


def test_a_handshake_from_another_site_is_refused(portal: Server) -> None:
    """Cross-site WebSocket hijacking: ASVS 5.0, 4.4.2."""

    async def attempt() -> int:
        url = portal.url.replace("http", "ws", 1) + "/_stcore/stream"
        try:
            async with websockets.connect(
                url, origin=websockets.Origin("https://evil.example"), proxy=None, open_timeout=60
            ):
                return 101
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(attempt()) == 403


def test_media_are_given_to_whom_they_were_shown(portal: Server, place: str) -> None:
    async def sounds() -> tuple[list[int], list[int]]:
        async with Session(portal.url, cookie=ADA) as hers, httpx.AsyncClient(base_url=portal.url, timeout=60) as http:
            address = (await hers.sounds("about"))[0]
            statuses = [
                (await http.get(address, headers={"cookie": cookie})).status_code for cookie in (ADA, BOB, "a=b")
            ]
        async with Session(portal.url) as theirs, httpx.AsyncClient(base_url=portal.url, timeout=60) as http:
            address = (await theirs.sounds("about"))[0]
            return statuses, [(await http.get(address)).status_code]

    if place == "external":  # there a sound has no owner: it takes a user, and its address
        assert asyncio.run(sounds()) == ([200, 200, 401], [401])
    else:
        assert asyncio.run(sounds()) == ([200, 404, 404], [200])


def test_no_secret_of_a_login_is_in_the_logs_of_a_server(portal: Server) -> None:
    """Token in any log line.

    ASVS 5.0, 16.2.5. Addresses, cookies and credentials pass through all of the logging.
    """
    secrets = {name: f"{name}-{'s3cr3t' * 4}" for name in ("code", "state", "session_state", "bearer", "ticket", "run")}
    sent = {
        "cookie": f"login=ada; login_flow_1={secrets['ticket']}",
        "authorization": f"Bearer ada~{secrets['bearer']}",
        "x-fluxlit-run": secrets["run"],
    }
    query = {name: secrets[name] for name in ("code", "state", "session_state")}
    for path in ("/api/auth/login", "/api/me", "/", "/admin", "/static/nowhere.js", "/api/nowhere"):
        httpx.get(f"{portal.url}{path}", params=query, headers=sent, timeout=60)
        httpx.get(f"{portal.url}{path}", params=query, headers={"cookie": sent["cookie"]}, timeout=60)
    assert "/api/auth/login" in portal.log()
    assert [secret for secret in secrets.values() if secret in portal.log()] == []
