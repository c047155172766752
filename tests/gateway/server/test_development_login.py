"""The development login lets a developer in, and no other client."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import Request

from fluxlit import CurrentUser, FluxLit
from fluxlit.auth.contract import PEER, Peer, Verdict
from fluxlit.errors import FluxLitError
from fluxlit.server import development_login
from fluxlit.server.runtime import Runtime
from fluxlit.server.serve import replace_login
from fluxlit.settings import Settings

pytestmark = pytest.mark.anyio

LOGIN = "/api/auth/login"
SAME = {"sec-fetch-site": "same-origin"}


class Closed:
    """The application's own login, which knows no one."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: {} if name == "routes" else ()

    async def authenticate(self, _: object) -> Verdict:
        return Verdict()


def application(**settings: Any) -> FluxLit:
    app = FluxLit(auth=Closed(), **settings)

    @app.api.get("/me")
    def me(user: CurrentUser, request: Request) -> dict[str, Any]:
        return {"name": user.name, "roles": sorted(user.roles), "cookie": request.headers.get("cookie")}

    app.page("/admin", roles={"admin", "<b>"})(lambda: None)
    return app


def browser(client: str = "127.0.0.1", host: str = "localhost:8000", **settings: Any) -> httpx.AsyncClient:
    app = application(**settings)
    replace_login(app, development=True)
    transport = httpx.ASGITransport(Runtime(app, target="x:app").asgi, client=(client, 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


async def sign_in(client: httpx.AsyncClient, **form: Any) -> httpx.Response:
    return await client.post(LOGIN, data={"name": "Ada", **form}, headers=SAME)


async def test_a_user_with_roles_is_chosen() -> None:
    async with browser(root_path="/portal") as client:
        page = await client.get("/portal" + LOGIN, params={"return_to": "/portal/admin?x=1"})
        assert page.status_code == 200
        assert 'value="admin"' in page.text
        assert "&lt;b&gt;" in page.text
        assert "<b>" not in page.text
        assert "form-action" not in page.headers["content-security-policy"]
        hidden = re.search(r'name="return_to" value="([^"]*)"', page.text)
        assert hidden is not None
        assert hidden[1] == "/portal/admin?x=1"
        form = {"name": " Ada Lovelace ", "role": ["admin"], "more": "editor, ,x", "return_to": hidden[1]}
        done = await client.post("/portal" + LOGIN, data=form, headers=SAME)
        assert (done.status_code, done.headers["location"]) == (303, "/portal/admin?x=1")
        cookie = done.headers["set-cookie"]
        assert re.fullmatch(r"fluxlit_development_login=[\w-]{43}; Path=/portal; HttpOnly; SameSite=Lax", cookie)
        me = (await client.get("/portal/api/me")).json()
        # The application does not receive the cookie.
        assert me == {"name": "Ada Lovelace", "roles": ["admin", "editor", "x"], "cookie": None}


async def test_signing_out_takes_the_link_of_a_page_or_a_form() -> None:
    async with browser() as client:
        await sign_in(client)
        assert (await client.get("/api/auth/logout")).status_code == 403
        assert (await client.get("/api/auth/logout?session=wrong")).status_code == 403
        assert (await client.get("/api/me")).status_code == 200
        assert (await client.post("/api/auth/logout", headers=SAME)).status_code == 303
        assert (await client.get("/api/me")).status_code == 401


@pytest.mark.parametrize(
    ("client", "host", "headers"),
    [
        ("192.0.2.7", "localhost:8000", {}),
        ("127.0.0.1", "rebound.example:8000", {}),
        ("127.0.0.1", "localhost.example", {}),
        ("127.0.0.1", "192.0.2.7", {}),
        *[
            ("127.0.0.1", "localhost", {name: "192.0.2.7"})
            for name in ("x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip", "cf-connecting-ip")
        ],
    ],
)
async def test_a_request_from_elsewhere_is_without_a_login(client: str, host: str, headers: dict[str, str]) -> None:
    app = application()
    replace_login(app, development=True)
    runtime = Runtime(app, target="x:app")
    here = httpx.ASGITransport(runtime.asgi, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=here, base_url="http://localhost") as own:
        done = await sign_in(own)
        cookie = done.headers["set-cookie"].partition(";")[0]
    there = httpx.ASGITransport(runtime.asgi, client=(client, 1))
    async with httpx.AsyncClient(transport=there, base_url=f"http://{host}", headers=headers) as other:
        for method in ("GET", "POST"):
            answer = await other.request(method, LOGIN, headers=SAME, data={"name": "Eve"})
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
        # A cookie that was stolen is worth nothing there either.
        assert (await other.get("/api/me", headers={"cookie": cookie})).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}],
)
async def test_another_site_signs_nobody_in(headers: dict[str, str]) -> None:
    async with browser() as client:
        answer = await client.post(LOGIN, data={"name": "Eve"}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/%2f/evil", "/a/../..//b", "javascript:x", "/x\ny"],
)
async def test_it_leads_back_into_the_application_only(wanted: str) -> None:
    async with browser() as client:
        done = await sign_in(client, return_to=wanted)
        assert done.headers["location"] == "/"


@pytest.mark.parametrize("body", [b"", b"name=", b"name=" + b"x" * 9000, b"\xff\xfe", b"&".join([b"a=1"] * 500)])
async def test_what_is_no_form_signs_nobody_in(body: bytes) -> None:
    async with browser() as client:
        kind = {"content-type": "application/x-www-form-urlencoded", **SAME}
        assert (await client.post(LOGIN, content=body, headers=kind)).status_code == 400


async def test_the_table_of_logins_has_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(development_login, "MAX_LOGINS", 2)
    async with browser() as client:
        first = (await sign_in(client)).headers["set-cookie"].partition(";")[0]
        for _ in range(2):
            await sign_in(client)
        client.cookies.clear()
        assert (await client.get("/api/me", headers={"cookie": first})).status_code == 401


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gateway_host": "0.0.0.0"}, "gateway_host='0.0.0.0'"),
        ({"gateway_host": "::"}, "gateway_host='::'"),
        ({"gateway_host": "portal.example"}, "gateway_host"),
        ({"gateway_uds": "x.sock"}, "gateway_uds"),
        ({"gateway_fd": 3}, "gateway_fd"),
        ({"trust_proxy": True}, "trust_proxy"),
        ({"public_base_url": "https://portal.example"}, "public_base_url"),
    ],
)
def test_it_refuses_to_start_where_others_can_connect(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(FluxLitError, match=re.escape(words)):
        browser(**settings)


def test_nothing_but_the_flag_of_dev_switches_it_on() -> None:
    with pytest.raises(FluxLitError, match="for `fluxlit dev` only"):
        replace_login(application(), development=False)
    with pytest.raises(FluxLitError, match="this application has none"):
        replace_login(FluxLit(), development=True)
    assert not [name for name in Settings.model_fields if "development" in name or name == "login"]


async def test_a_browser_without_a_user_is_sent_to_the_page() -> None:
    login = development_login.DevelopmentLogin(tuple)
    async with browser() as client:
        await client.get("/api/me")
    scope: dict[str, Any] = {"type": "http", "path": "/p/admin", "root_path": "/p", "query_string": b"a=1"}
    assert login.login_location(scope) is None  # without a peer
    scope[PEER] = Peer("::1", trusted=False, headers=[(b"host", b"[::1]:8000")])
    location = urlsplit(login.login_location(scope))
    assert location.path == "/p/api/auth/login"
    assert parse_qs(str(location.query)) == {"return_to": ["/p/admin?a=1"]}
