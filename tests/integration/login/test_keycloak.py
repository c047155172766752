"""A provider with the ways of Keycloak.

Its roles are nested, and its logout tokens have no type of their own.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import expect

from fluxlit.testing import Server, run_server
from tests.auth.hostile import GONE, HostileProvider
from tests.integration.login.portal import WATCH_SOCKETS, expect_closed, expect_text, write_portal
from tests.support.chromium import Visitor

pytestmark = pytest.mark.browser

SESSION_STATE = "0c3b1f9e-5f5c-4a55-9e0e-7d2a4a7d2f11"


@pytest.fixture(scope="module")
def keycloak() -> Iterator[HostileProvider]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        provider = HostileProvider(issuer=f"http://localhost:{sock.getsockname()[1]}/realms/demo")
        provider.claims = {
            "azp": provider.client_id,
            "typ": "ID",
            "acr": "1",
            "sid": SESSION_STATE,
            "preferred_username": "ada",
            "realm_access": {"roles": ["offline_access", "admin"]},
            "resource_access": {"account": {"roles": ["manage-account"]}},
        }
        provider.callback = {"session_state": SESSION_STATE}
        provider.tokens = {"session_state": SESSION_STATE, "refresh_expires_in": 1800, "not-before-policy": 0}
        server = uvicorn.Server(uvicorn.Config(provider, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        yield provider
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="module")
def portal(keycloak: HostileProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings: dict[str, Any] = {
        "oidc_issuer": keycloak.issuer,
        "oidc_client_id": keycloak.client_id,
        "oidc_client_secret": keycloak.client_secret,
        "oidc_preset": "keycloak",
    }
    with run_server("app:app", write_portal(tmp_path_factory.mktemp("keycloak")), **settings) as server:
        yield server


def test_login_roles_and_both_logouts(portal: Server, visitor: Visitor, keycloak: HostileProvider) -> None:
    page = visitor.page
    page.add_init_script(WATCH_SOCKETS)
    visitor.visit(f"{portal.url}/orders?number=8")  # this provider asks for no password
    expect(page).to_have_url(f"{portal.url}/orders?number=8")
    expect_text(page, "Ada Lovelace <ada@example.com> ['admin', 'offline_access']", "number 8")
    visitor.follow("Vault")
    token = keycloak.logout_token({"typ": "JWT"}, sub=GONE, sid=SESSION_STATE, typ="Logout")
    started = time.time()
    answer = httpx.post(f"{portal.api_url}/auth/backchannel-logout", data={"logout_token": token}, timeout=60)
    assert answer.status_code == 200, answer.text
    expect_closed(page, started)
    page.goto(f"{portal.url}/orders")
    visitor.settle()
    page.get_by_role("link", name="Sign out").click()
    expect(page).to_have_url(f"{portal.url}/api/auth/logged-out")
    expect(visitor.heading("You are signed out")).to_be_visible()
    assert len(keycloak.revoked) == 1
