"""The look of system pages comes from the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fluxlit import FluxLit
from fluxlit._internal.system_page import DARK, LIGHT
from fluxlit.auth.contract import NonInteractiveAuthenticator, Verdict
from fluxlit.errors import FluxLitError
from fluxlit.server.look import read_look
from fluxlit.server.runtime import Runtime
from fluxlit.settings import Settings


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
    settings = Settings(title="Tea house", root_path="/tea", streamlit_page_config={"page_icon": "🫖"})
    look = read_look(settings, project(tmp_path, THEME))
    assert (look.title, look.icon, look.start) == ("Tea house", "🫖", "/tea/")
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


def test_a_template_is_relative_to_the_project_and_checked(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("$head\n$heading $detail $content $wrong\n$", "utf-8")
    with pytest.raises(FluxLitError, match=r"page\.html:2: there is no \$wrong.*\n.*page\.html:3: a single \$"):
        read_look(Settings(system_page_template="page.html"), tmp_path)
    with pytest.raises(FluxLitError, match=r"none\.html cannot be read: No such file or directory\."):
        read_look(Settings(system_page_template="none.html"), tmp_path)
    (tmp_path / "page.html").write_bytes(b"\xff")
    with pytest.raises(FluxLitError, match=r"page\.html cannot be read: 'utf-8' codec"):
        read_look(Settings(system_page_template="page.html"), tmp_path)


@pytest.mark.anyio
@pytest.mark.parametrize("template", ["", "<!doctype html>$head<b>Own</b>$heading $detail $content"])
async def test_a_page_of_the_gateway_has_it(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path, THEME))
    if template:
        (tmp_path / "own.html").write_text(template, "utf-8")
        (tmp_path / "fluxlit.toml").write_text('system_page_template = "own.html"', "utf-8")

    app = FluxLit(title="Tea house", auth=Closed(), streamlit_upstream="http://127.0.0.1:9")
    transport = httpx.ASGITransport(Runtime(app, target="x:app").asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        page = await client.get("/", headers={"accept": "text/html", "sec-fetch-mode": "navigate"})
    assert page.status_code == 401
    assert ("<b>Own</b>" if template else "<header>Tea house</header>") in page.text
    assert page.headers["content-security-policy"].startswith("base-uri 'self'; object-src 'self' data: blob:; ")
    assert "--primary:#2dd4bf" in page.text
