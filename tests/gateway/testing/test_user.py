"""Testing an application with a login.

As a user, as another, and without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx_ws
import pytest
from fastapi import Depends, WebSocket

from fluxlit import CurrentUser, FluxLit, OptionalUser, User, client, current_user, require_roles, users
from fluxlit.client import ApiClient
from fluxlit.errors import FluxLitError
from fluxlit.testing import api_client, async_api_client, page_test
from fluxlit_auth import OIDC, APIKey, APIKeys, JWTBearer, TokenIssuer, hash_api_key

SECRET = "a secret that is shared with no one in this world"
ADA = User("ada", "https://login.example", "Ada", "ada@example.org", roles=frozenset({"admin"}), claims={"hd": "x"})
BOB = User("bob", "https://login.example", "Bob")
KEYS = APIKeys([APIKey("ci", hash_api_key("the key of the pipeline"))])
BEARER = JWTBearer(TokenIssuer("ci", "orders", secret=SECRET))

# The login is not configured, as in most tests: where the provider is stands in the environment of production.
app = FluxLit(auth=[OIDC.from_settings(), KEYS, BEARER], public_paths=("/api/ping",))


@app.api.get("/me")
def me(user: CurrentUser) -> dict[str, object]:
    return {"subject": user.subject, "roles": sorted(user.roles)}


@app.api.get("/ping")
def ping(user: OptionalUser) -> str:
    return user.subject if user else "no user"


@app.api.delete("/orders", dependencies=[Depends(require_roles("admin"))])
def orders() -> str:
    return "gone"


@app.api.websocket("/ws")
async def ws(socket: WebSocket, user: CurrentUser) -> None:
    await socket.accept()
    await socket.send_text(user.subject)
    await socket.close()


@app.page("/", title="Home")
def home(st: Any, client: ApiClient, user: CurrentUser) -> None:
    st.text(f"{user.name} {sorted(user.roles)} {user.claims}")
    st.text(f"st.user {st.user.sub} {st.user.is_logged_in}")
    again = current_user()
    st.text(f"script {again.subject if again else None}")
    st.text(f"api {client.get('/me').text}")


@app.page("/about", public=True)
def about(st: Any, client: ApiClient, user: OptionalUser) -> None:
    st.text(f"{user.name if user else 'no user'} {st.user.is_logged_in} {client.get('/me').status_code}")


@app.page("/vault", roles={"admin"})
def vault(st: Any) -> None:
    st.text("gold")


def test_the_api_knows_the_user() -> None:
    with api_client(app, user=ADA) as client:
        assert client.get("/me").json() == {"subject": "ada", "roles": ["admin"]}
        assert client.get("/ping").json() == "ada"
        assert client.delete("/orders").json() == "gone"


def test_the_api_refuses_nobody_and_the_wrong_role() -> None:
    with api_client(app) as client:
        assert client.get("/me").status_code == 401
        assert client.get("/ping").json() == "no user"
    with api_client(app, user=BOB) as client:
        assert client.delete("/orders").status_code == 403


def test_a_forged_call_is_refused_in_a_test_too() -> None:
    with api_client(app, user=ADA) as client:
        assert client.delete("/orders", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_keys_and_tokens_are_checked_as_ever() -> None:
    with api_client(app) as client:
        assert client.get("/me", headers={"X-API-Key": "the key of the pipeline"}).json()["subject"] == "ci"
        wrong = client.get("/me", headers={"X-API-Key": "guessed"})
        assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'ApiKey header="X-API-Key"')
        assert client.get("/me", headers={"Authorization": "Bearer guessed"}).status_code == 401


@pytest.mark.anyio
async def test_a_websocket_knows_the_user() -> None:
    async with async_api_client(app, user=ADA) as client:
        opened: Any = httpx_ws.aconnect_ws("ws", client)
        async with opened as socket:
            assert await socket.receive_text() == "ada"
    async with async_api_client(app) as client:
        with pytest.raises(httpx_ws.WebSocketDisconnect):
            await httpx_ws.aconnect_ws("ws", client).__aenter__()


def texts(path: str, user: User | None = None) -> list[str]:
    page = page_test(app, path, user=user).run()
    assert not page.exception
    return [each.value for each in page.text]


def test_a_page_knows_the_user_in_every_way() -> None:
    assert texts("/", ADA) == [
        "Ada ['admin'] {'hd': 'x'}",
        "st.user ada True",
        "script ada",
        'api {"subject":"ada","roles":["admin"]}',
    ]
    assert texts("/about", BOB) == ["Bob True 200"]
    assert texts("/about") == ["no user False 401"]
    assert current_user() is None


SCRIPT = """
import streamlit as st
from fluxlit.client import current
st.text(current().get("/me").text)
"""


@pytest.fixture
def process_of_a_script() -> Iterator[None]:
    """Remove the user and the API that an adopted script has left."""
    yield
    users.configure(None)
    client.configure(None)


@pytest.mark.usefixtures("process_of_a_script")
@pytest.mark.parametrize("adopted", [True, False], ids=["adopted", "page"])
def test_a_script_calls_the_api_as_the_user(adopted: bool, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    application = FluxLit(api=app.api, auth=app.authenticators, ui=tmp_path / "script.py" if adopted else None)
    if not adopted:
        application.page("/", script=tmp_path / "script.py")
    page = page_test(application, user=ADA).run()
    assert not page.exception
    assert [each.value for each in page.text] == ['{"subject":"ada","roles":["admin"]}']


def test_a_page_is_shown_to_whom_it_is_for() -> None:
    assert texts("/vault", ADA) == ["gold"]
    assert texts("/vault", BOB) == []
    assert texts("/") == []


def test_without_a_login_there_is_no_user() -> None:
    plain = FluxLit()
    with pytest.raises(FluxLitError, match="has no login"), api_client(plain, user=ADA):
        pass
    with pytest.raises(FluxLitError, match="has no login"):
        page_test(plain, user=ADA)
