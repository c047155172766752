"""Streamlit's own demonstration, adopted unchanged with `FluxLit(ui=...)`.

Two of its demos fetch data sets from the network. The server is given a urllib that has those data sets at hand,
in the same columns, so that the demos run to their end on a machine without a network. The scripts stay as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest
from playwright.sync_api import expect

from fluxlit.testing import Server, run_server
from tests.support.chromium import Visitor

pytestmark = pytest.mark.browser

DATA = """
    import gzip, io, json, urllib.request

    YEARS = range(1961, 2008)
    CROPS = "Region," + ",".join(map(str, YEARS)) + "\\n" + "".join(
        f"{region}," + ",".join(str(base * year) for year in YEARS) + "\\n"
        for region, base in {"China": 90000, "United States of America": 70000, "France": 20000}.items()
    )
    PLACES = [{"lat": 37.7 + n / 100, "lon": -122.4, "lat2": 37.8, "lon2": -122.3 - n / 100,
               "exits": 1000 * n, "outbound": 900 * n, "name": f"Stop {n}"} for n in range(1, 9)]
    fetch = urllib.request.urlopen

    def urlopen(request, *args, **kwargs):
        url = request if isinstance(request, str) else request.full_url
        if url.endswith("/agri.csv.gz"):
            return answer(gzip.compress(CROPS.encode()))
        if url.endswith("_stats.json"):
            return answer(json.dumps(PLACES).encode())
        return fetch(request, *args, **kwargs)

    def answer(body):
        reply = io.BytesIO(body)
        reply.headers = {}
        return reply

    urllib.request.urlopen = urlopen
"""

DEMOS = {
    "Hello": "stMarkdown",
    "DataFrame demo": "stDataFrame",
    "Plotting demo": "stVegaLiteChart",
    "Mapping demo": "stDeckGlJsonChart",
    "Animation demo": "stImage",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("hello")
    found = find_spec("streamlit.hello")
    assert found is not None
    assert found.origin is not None
    shutil.copytree(Path(found.origin).parent, directory, dirs_exist_ok=True)
    (directory / "app.py").write_text('from fluxlit import FluxLit\n\napp = FluxLit(ui="streamlit_app.py")\n')
    data = tmp_path_factory.mktemp("data")
    (data / "sitecustomize.py").write_text(dedent(DATA))
    with run_server("app:app", directory, environment={"PYTHONPATH": str(data)}) as server:
        yield server


@pytest.mark.parametrize("demo", DEMOS)
def test_each_demo_runs_to_its_end(server: Server, visitor: Visitor, demo: str) -> None:
    visitor.stand_in_for_others()
    visitor.visit(server.url)
    if demo != "Hello":
        visitor.follow(demo)

    expect(visitor.page.get_by_test_id(DEMOS[demo]).first).to_be_visible()
    assert visitor.exceptions() == []
    expect(visitor.page.get_by_test_id("stAlert")).to_have_count(0)  # where two demos say that they have no data
    if demo != "Hello":
        expect(visitor.heading(demo)).to_be_visible()
    if demo == "Animation demo":
        # Streamlit drops each frame's image with the next frame: a browser that is slow comes too late for some.
        visitor.problems[:] = [each for each in visitor.problems if "/media/" not in each]


def test_a_deep_link_opens_its_demo_and_a_click_there_runs_it_again(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/dataframe_demo")
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("demo")
    assert visitor.page.url == f"{server.url}/dataframe_demo"
    expect(visitor.page.get_by_test_id("stCode")).to_be_visible()
    visitor.page.get_by_text("Show code").click()

    expect(visitor.page.get_by_test_id("stCode")).to_have_count(0)
    expect(visitor.page.get_by_test_id("stDataFrame")).to_be_visible()
    assert visitor.exceptions() == []
