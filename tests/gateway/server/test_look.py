"""The look of system pages comes from the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fluxlit import FluxLit
from fluxlit._internal.system_page import DARK, LIGHT
from fluxlit.auth.contract import Verdict
from fluxlit.server.look import read_look
from fluxlit.server.runtime import Runtime
from fluxlit.settings import Settings
from fluxlit_auth.non_interactive import NonInteractiveAuthenticator


class Closed(NonInteractiveAuthenticator):
    """A login that knows no one."""

    async def authenticate(self, _: object) -> Verdict:
        """Return no user."""
        return Verdict()


THEME = '[theme.light]\nprimaryColor = "#0f766e"\n[theme.dark]\nprimaryColor = "#2dd4bf"\n'


def project(folder: Path, text: str) -> Path:
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "config.toml").write_text(text)
    return folder


def test_title_icon_and_theme(tmp_path: Path) -> None:
    settings = Settings(title="Tea house", streamlit_page_config={"page_icon": "🫖"})
    look = read_look(settings, project(tmp_path, THEME))
    assert (look.title, look.icon) == ("Tea house", "🫖")
    assert look.light == {**LIGHT, "primary": "#0f766e"}
    assert look.dark == {**DARK, "primary": "#2dd4bf"}


def test_options_of_the_settings_are_stronger(tmp_path: Path) -> None:
    options: dict[str, Any] = {"theme.dark.primaryColor": "#123456", "theme.font": "serif"}
    look = read_look(Settings(streamlit_options=options), project(tmp_path, THEME))
    assert (look.light["primary"], look.dark["primary"]) == ("#0f766e", "#123456")


@pytest.mark.parametrize("text", ["theme = 3", "[theme", "\x00", "[theme]\nlight = 1\n"])
def test_a_file_that_cannot_be_read_is_left_out(text: str, tmp_path: Path) -> None:
    look = read_look(Settings(streamlit_page_config={"page_icon": ":material/home:"}), project(tmp_path, text))
    assert (look.light, look.dark, look.icon) == (LIGHT, DARK, "")


@pytest.mark.anyio
async def test_a_page_of_the_gateway_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path, THEME))

    app = FluxLit(title="Tea house", auth=Closed(), streamlit_upstream="http://127.0.0.1:9")
    transport = httpx.ASGITransport(Runtime(app, target="x:app").asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        page = await client.get("/", headers={"accept": "text/html", "sec-fetch-mode": "navigate"})
    assert page.status_code == 401
    assert "<header>Tea house</header>" in page.text
    assert "--primary:#2dd4bf" in page.text
