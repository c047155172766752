"""The front end in a browser.

Files are compressed ahead of time beside the gateway.
"""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from fluxlit.testing import run_server
from tests.support.chromium import Visitor

pytestmark = pytest.mark.browser

ASKED = "performance.getEntriesByType('resource').map(each => [new URL(each.name).pathname, each.initiatorType])"

APP = """
from fluxlit import FluxLit

app = FluxLit()

@app.page("/", title="Icons", icon=":material/home:")
def home(st):
    st.title(":material/rocket_launch: Привет, Γειά, Latin.")
    st.button("Press", icon=":material/thumb_up:")

@app.page("/second", title="Second", icon=":material/settings:")
def second(st):
    st.write("The second page.")
"""


def test_the_first_visitor_s_files_get_their_best_variant_and_the_work_ends_with_the_gateway(
    tmp_path: Path, visitor: Visitor
) -> None:
    """From an empty cache, with nothing prepared in the environment."""
    (tmp_path / "app.py").write_text(APP)
    customize = tmp_path / "customize"
    customize.mkdir()
    (customize / "sitecustomize.py").write_text(f"import sys\nsys.prefix = {str(tmp_path / 'environment')!r}\n")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(customize)}
    with run_server("app:app", tmp_path, environment=environment) as server:
        visitor.visit(server.url)
        expect(visitor.page.get_by_text("Latin.")).to_be_visible()
        folder = tmp_path / "cache" / "fluxlit"
        deadline = time.monotonic() + 90
        while not list(folder.glob("*/*.br11")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (worker,) = [each for each in psutil.process_iter() if working_on(each, str(tmp_path / "cache"))]
        assert worker.nice() == 19
    assert psutil.wait_procs([worker], timeout=60)[1] == []


def working_on(process: psutil.Process, cache: str) -> bool:
    try:
        return "fluxlit.frontend.precompression" in process.cmdline() and process.environ()["XDG_CACHE_HOME"] == cache
    except (psutil.Error, KeyError):
        return False


def test_the_probes_of_the_front_end_are_asked_with_its_scripts_and_once(tmp_path: Path, visitor: Visitor) -> None:
    (tmp_path / "app.py").write_text(APP)
    with run_server("app:app", tmp_path, root_path="/shop") as server:
        for page in ("/", "/second"):
            visitor.visit(server.url + page)
            expect(visitor.page.get_by_text("Latin." if page == "/" else "The second page.")).to_be_visible()
            asked = visitor.page.evaluate(ASKED)
            assert ["/shop/_stcore/health", "link"] in asked
            assert [name for name, _ in asked].count("/shop/_stcore/health") == 1
            assert [name for name, _ in asked].count("/shop/_stcore/host-config") == 1
