"""The front end in a browser: the lean font of icons shows what the original shows, and what is prepared is used."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from fontTools.ttLib import TTFont
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from fluxlit.frontend import Files, Shelf
from fluxlit.frontend.icons import LEAN, ORIGINAL, Icons
from fluxlit.testing import Server, run_server
from tests.support.chromium import Visitor

pytestmark = pytest.mark.browser

MOUNT = "/apps/portal"
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

SHEET = """<style>
@font-face{{font-family:Icons;src:url(data:font/woff2;base64,{font})format("woff2")}}
body{{font:16px/24px Icons;margin:0}}
span{{position:absolute;width:24px;height:24px;overflow:hidden}}
</style>{icons}"""
CELL, ROW = 24, 50


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Icons]:
    """A cache that has the lean font, and the font."""
    files = Files.of_streamlit()
    assert files is not None
    cache = tmp_path_factory.mktemp("cache")
    folder = cache / "fluxlit" / f"streamlit-{files.version}"
    folder.mkdir(parents=True, mode=0o700)
    icons = Icons(files, Shelf([folder], folder))
    icons.make()
    return cache, icons


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, prepared: tuple[Path, Icons]) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("app")
    (directory / "app.py").write_text(APP)
    environment = {"XDG_CACHE_HOME": str(prepared[0]), "FLUXLIT_ROOT_PATH": MOUNT}
    with run_server("app:app", directory, environment=environment) as server:
        yield server


def test_every_icon_looks_the_same(chromium: Browser, prepared: tuple[Path, Icons]) -> None:
    """But for shades at the edges of a few: Chromium unites overlapping contours by an algorithm that rounds."""
    icons = prepared[1]
    lean = icons.find()
    assert icons.original is not None
    assert lean is not None
    names = [f"&#{code};" for code in sorted(TTFont(icons.original.file).getBestCmap()) if code > 0xE000]
    names += ["rocket_launch", "home", "check_circle", "3d_rotation"]
    before, after = (pictured(chromium, font, names) for font in (icons.original.file.read_bytes(), lean.body))
    assert all(cell.min() < 100 for cell in cells(before, len(names))), "a cell has no icon"
    different = np.abs(before - after)
    assert different.max() < 64
    shaded = [int((cell > 8).sum()) for cell in cells(different, len(names))]
    assert max(shaded) < 16
    assert sum(count > 0 for count in shaded) < len(names) // 40


def pictured(chromium: Browser, font: bytes, names: list[str]) -> Any:
    """The icons as an array of grey values."""
    spans = "".join(
        f"<span style='left:{number % ROW * CELL}px;top:{number // ROW * CELL}px'>{name}</span>"
        for number, name in enumerate(names)
    )
    page = chromium.new_page(viewport={"width": CELL * ROW, "height": 800})
    page.set_content(SHEET.format(font=base64.b64encode(font).decode(), icons=spans))
    page.evaluate("document.fonts.ready")
    assert page.evaluate("[...document.fonts].map(font => font.status)") == ["loaded"]
    picture = page.screenshot(full_page=True)
    page.close()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(int)


def cells(picture: Any, count: int) -> Iterator[Any]:
    """The part of each icon."""
    for number in range(count):
        top, left = number // ROW * CELL, number % ROW * CELL
        yield picture[top : top + CELL, left : left + CELL]


def loaded(visitor: Visitor, prefix: str) -> list[str]:
    """The paths of what the window has asked for."""
    names = visitor.page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    return [name.partition(prefix)[2] for name in names if prefix in name]


def test_a_page_loads_the_lean_font_and_not_the_original(server: Server, visitor: Visitor) -> None:
    for path in ("/", "/second"):
        visitor.visit(f"{server.url}{MOUNT}{path}")
        expect(visitor.page.get_by_text("The second page." if path == "/second" else "Latin.")).to_be_visible()
        visitor.page.wait_for_load_state("networkidle")
        fonts = [path for path in loaded(visitor, MOUNT) if "MaterialSymbols" in path]
        assert len(fonts) == 1
        assert LEAN.match(fonts[0])
        width = "document.querySelector('[data-testid=stIconMaterial]').getBoundingClientRect().width"
        assert visitor.page.evaluate(width) < 40, "a name that is not drawn as an icon is wider"


def test_where_the_lean_font_is_not_to_be_had_browsers_take_the_original(
    server: Server, new_visitor: Callable[[], Visitor]
) -> None:
    """Replicas take turns, and one of them has not made it yet."""
    visitor = new_visitor()

    def missing(route: Route) -> None:
        path = "/static/media/" + route.request.url.rpartition("/")[2]
        if LEAN.match(path):
            route.fulfill(status=404, body="Not found.")
        else:
            route.continue_()

    visitor.page.route("**/MaterialSymbols-*", missing)
    visitor.visit(f"{server.url}{MOUNT}/")
    visitor.page.wait_for_load_state("networkidle")
    fonts = [path for path in loaded(visitor, MOUNT) if "MaterialSymbols" in path]
    assert [bool(LEAN.match(path)) for path in fonts] == [True, False]
    assert ORIGINAL.match(fonts[1])
    visitor.problems.clear()


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
    assert psutil.wait_procs([worker], timeout=10)[1] == []


def working_on(process: psutil.Process, cache: str) -> bool:
    try:
        return "fluxlit.frontend.preparation" in process.cmdline() and process.environ()["XDG_CACHE_HOME"] == cache
    except (psutil.Error, KeyError):
        return False
