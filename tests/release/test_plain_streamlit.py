"""`fluxlit-sessions` in a plain Streamlit application, with Redis.

Nothing else of FluxLit is installed; the application is the how-to's ten lines.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.release.environments import Environment
from tests.sessions.servers import RedisServer, running
from tests.support.chromium import open_visitor
from tests.support.processes import ROOT, Server, background

HOW_TO = ROOT / "docs" / "how-to" / "sessions-plain-streamlit.md"


def ten_lines(store: str) -> str:
    """The how-to's script with another store."""
    script = re.search(r'```python title="streamlit_app.py"\n(.*?)```', HOW_TO.read_text(), re.DOTALL)
    assert script is not None
    assert "sqlite:///sessions.db" in script[1]
    return script[1].replace("sqlite:///sessions.db", store)


def served(server: Server) -> str:
    """The address that Streamlit announces."""
    return server.wait_for(r"URL: (http://[^\s:]+:\d+)", timeout=60)[1]


@pytest.mark.browser
def test_apples_survive_a_reload_and_a_killed_server(
    wheels: dict[str, Path], browser: Browser, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = Environment.create(tmp_path_factory.mktemp("plain") / "venv")
    environment.install(f"fluxlit-sessions[redis] @ {wheels['fluxlit-sessions'].as_uri()}", "streamlit")
    assert [name for name in environment.packages() if name.startswith("fluxlit")] == ["fluxlit-sessions"]
    command = [environment.command("streamlit"), "run", "streamlit_app.py", "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    with running(RedisServer(tmp_path / "redis", persistent=True)) as redis, open_visitor(browser) as visitor:
        (tmp_path / "streamlit_app.py").write_text(ten_lines(redis.url))
        with background(command, cwd=tmp_path, environ=environment.environ()) as server:
            visitor.visit(served(server))
            visitor.page.get_by_role("button", name="Add an apple").click()
            expect(visitor.page.get_by_text("1 apples")).to_be_visible()
            expect(visitor.page).to_have_url(re.compile("fluxlit_sid="))
            visitor.settle()
            visitor.page.reload()
            expect(visitor.page.get_by_text("1 apples")).to_be_visible()
            address = visitor.page.url
            server.process.kill()
            server.process.wait(60)
        with background(command, cwd=tmp_path, environ=environment.environ()) as server:
            visitor.visit(f"{served(server)}/?{address.partition('?')[2]}")
            expect(visitor.page.get_by_text("1 apples")).to_be_visible()
