"""`st.login` and `st.logout` of a script, alone and under FluxLit.

Streamlit keeps the state of a login in a cookie, and its redirects come back to an address of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.integration.login.certified import SECRET, Certified
from tests.integration.login.portal import log_in
from tests.support.chromium import Visitor
from tests.support.ports import free_port
from tests.support.processes import background, clean_environ

pytestmark = pytest.mark.browser

SCRIPT = """
import streamlit as st

st.text(f"user {st.user.get('sub')}")
st.button("in", on_click=st.login)
st.button("out", on_click=st.logout)
"""

ALONE = ("streamlit", "run", "ui.py", "--server.headless", "true", "--server.address", "127.0.0.1", "--server.port")
WAYS = {
    "alone": (ALONE, ""),
    "mounted": (("fluxlit", "run", "ui.py", "--workers", "2", "--root-path", "/m/app", "--port"), "/m/app"),
}


@pytest.mark.parametrize("way", WAYS)
def test_users_log_in_and_out(way: str, provider: Certified, visitor: Visitor, tmp_path: Path) -> None:
    command, mount = WAYS[way]
    port = free_port()
    url = f"http://127.0.0.1:{port}{mount}"
    provider.register(way, url)
    (tmp_path / "ui.py").write_text(SCRIPT)
    (tmp_path / ".streamlit").mkdir()
    settings = {
        "redirect_uri": f"{url}/oauth2callback",
        "cookie_secret": "a secret for the cookies of these tests",
        "client_id": way,
        "client_secret": SECRET,
        "server_metadata_url": f"{provider.issuer}/.well-known/openid-configuration",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    # Streamlit asks for `prompt=select_account`, which this provider refuses.
    lines.append('client_kwargs = { prompt = "login", code_challenge_method = "S256", scope = "openid" }')
    (tmp_path / ".streamlit" / "secrets.toml").write_text("\n".join(["[auth]", *lines]))
    page = visitor.page
    environ = clean_environ(STREAMLIT_BROWSER_GATHER_USAGE_STATS="false")
    program = Path(sys.executable).parent / command[0]
    with background([program, *command[1:], str(port)], cwd=tmp_path, environ=environ) as server:
        server.wait_for(rf"http://127\.0\.0\.1:{port}", 60)
        visitor.visit(f"{url}/")
        for _ in range(2):
            expect(page.get_by_text("user None")).to_be_visible()
            page.get_by_role("button", name="in", exact=True).click()
            log_in(page, "ada")
            expect(page.get_by_text("user ada")).to_be_visible()
            visitor.visit(f"{url}/")
            expect(page.get_by_text("user ada")).to_be_visible()
            page.get_by_role("button", name="out", exact=True).click()
            # The provider asks, and leads back.
            page.get_by_role("button", name="Yes, sign me out").click()
            expect(page.get_by_text("user None")).to_be_visible()
