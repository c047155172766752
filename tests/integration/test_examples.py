"""The examples and the demo, used in a browser.

Each is started once; the pictures of the documentation are taken on the way.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from fluxlit.testing import Server, run_server
from tests.cli.command import COMMAND, nothing_left
from tests.support.chromium import Visitor
from tests.support.pictures import IMAGES, Album
from tests.support.postgresql import open_postgresql
from tests.support.processes import ROOT, background, clean_environ
from tests.support.waiting import until

pytestmark = pytest.mark.browser

EXAMPLES = ROOT / "examples"
GATEWAY = ROOT / "packages" / "fluxlit-gateway" / "src" / "fluxlit"
GALLERY = ROOT / "packages" / "fluxlit-cli" / "src" / "fluxlit_cli" / "gallery"
SCRIPTS = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]["examples"]["scripts"]


@contextmanager
def example(name: str, folder: Path, **environment: str) -> Iterator[Server]:
    """Serve a copy of an example by its one command."""
    here, _, command = SCRIPTS[name].partition(" && ")
    assert here == f"cd examples/{name}"
    program, verb, *arguments = shlex.split(command.removesuffix(" {args}"))
    assert (program, verb) == ("fluxlit", "dev")
    copy = folder / name
    shutil.copytree(EXAMPLES / name, copy, ignore=shutil.ignore_patterns("__pycache__", "*.db", "work"))
    with run_server("app:app", copy, command="dev", arguments=arguments, environment=environment) as server:
        yield server


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, which a picture shows."""
    with TemporaryDirectory(prefix="flx-") as name:
        yield Path(name)


def small(page: Page, height: int = 640) -> None:
    page.set_viewport_size({"width": 1100, "height": height})


def api(server: Server, path: str, **options: Any) -> Any:
    with httpx.Client(trust_env=False, timeout=60) as client:
        response = client.request(options.pop("method", "GET"), f"{server.api_url}{path}", **options)
    assert response.is_success, response.text
    return response.json()


def test_every_example_has_a_command_a_readme_and_a_line_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text()
    for name in SCRIPTS:
        readme = (EXAMPLES / name / "README.md").read_text()
        assert f"hatch run examples:{name}\n" in readme
        assert f"]({name}/README.md)" in index
        assert (IMAGES / f"{name}-light.png").exists()
        assert f"images/{name}-light.png" in readme


def test_orders_are_kept_in_postgresql(visitor: Visitor, album: Album, tmp_path: Path) -> None:
    with open_postgresql() as url, example("orders", tmp_path, DATABASE_URL=url) as server:
        page = visitor.page
        small(page)
        visitor.visit(server.url)
        expect(page.get_by_test_id("stDataFrame")).to_be_visible()
        expect(page.get_by_test_id("stMetric").filter(has_text="To ship")).to_contain_text("3")
        album.take(page, "orders", [EXAMPLES / "orders"])

        page.get_by_role("button", name="Ship").first.click()
        expect(page.get_by_role("button", name="Ship")).to_have_count(2)

        visitor.follow("New order")
        page.get_by_label("Customer").fill("Mary Somerville")
        page.get_by_role("button", name="Order", exact=True).click()
        expect(page.get_by_text(re.compile(r"Order 7: 1x \w"))).to_be_visible()

        page.get_by_label("Pieces").fill("99")
        page.get_by_role("button", name="Order", exact=True).click()
        expect(page.get_by_text(re.compile(r": only \d+ left\."))).to_be_visible()

        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            [shipped] = connection.execute('SELECT count(*) FROM "order" WHERE shipped').fetchall()
            [last] = connection.execute('SELECT customer FROM "order" WHERE id = 7').fetchall()
        assert (shipped, last) == ((4,), ("Mary Somerville",))
        assert visitor.exceptions() == []


def test_orders_are_kept_in_sqlite(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "orders", tmp_path / "orders")
    program = """
from fluxlit.testing import api_client
from app import app

kettle = {"customer": "Ada", "product_id": 1, "quantity": 12}
with api_client(app) as client:
    assert client.post("/orders", json=kettle).json()["total"] == 948
    assert client.post("/orders", json=kettle).json()["detail"] == "Cast-iron kettle: only 0 left."
with api_client(app) as client:
    assert [order["customer"] for order in client.get("/orders").json()][:2] == ["Ada", "Hedy"]
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path / "orders", env=clean_environ(), check=True)
    assert (tmp_path / "orders" / "orders.db").exists()


def test_the_chat_streams_and_survives_a_reload(visitor: Visitor, album: Album, tmp_path: Path) -> None:
    with example("chat", tmp_path) as server:
        page = visitor.page
        small(page)
        visitor.visit(server.url)
        page.get_by_text("How long must tea steep?").click()
        # The first words are there before the last ones exist.
        answer = page.get_by_test_id("stChatMessage").nth(1)
        expect(answer).to_contain_text("Black tea takes")
        assert "bitter" not in answer.inner_text()
        expect(answer).to_contain_text("hotter water makes it bitter.")
        visitor.settle()

        page.get_by_test_id("stChatInputTextArea").fill("Which has most caffeine?")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Rooibos: none")).to_be_visible()
        visitor.settle()
        album.take(page, "chat", [EXAMPLES / "chat"])

        page.reload()
        visitor.settle()
        expect(page.get_by_test_id("stChatMessage")).to_have_count(4)
        assert visitor.exceptions() == []

        # For other programs it is a stream of server-sent events.
        with (
            httpx.Client(trust_env=False, timeout=60) as client,
            client.stream("POST", f"{server.api_url}/chat", json={"text": "milk"}) as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            assert next(response.iter_lines()) == 'data: "Assam "'


def sign_in(page: Page, name: str, *roles: str) -> None:
    page.get_by_label("User").fill(name)
    for role in roles:
        page.get_by_label(role, exact=True).check()
    page.get_by_role("button", name="Sign in").click()


SYSTEM = [GATEWAY / "_internal" / "system_page.py", EXAMPLES / "portal" / ".streamlit"]


def test_the_portal_shows_each_user_what_their_roles_allow(visitor: Visitor, album: Album, folder: Path) -> None:
    sources = [EXAMPLES / "portal"]
    with example("portal", folder) as server:
        page = visitor.page
        small(page)
        page.goto(server.url)
        page.wait_for_url("**/login?*")
        album.take(page, "sign-in", [*SYSTEM, GATEWAY / "server" / "development_login.py"])
        sign_in(page, "Ada")
        visitor.settle()
        expect(visitor.heading("Hello, Ada")).to_be_visible()
        expect(page.get_by_text("Approvals")).to_have_count(0)
        page.get_by_label("Reason").fill("The mountains")
        page.get_by_role("button", name="Ask for leave").click()
        expect(page.get_by_text("5 days, The mountains")).to_be_visible()

        # An address that her roles do not allow.
        visitor.problems.clear()
        page.goto(f"{server.url}/admin")
        expect(page.get_by_text("Access denied")).to_be_visible()
        album.take(page, "access-denied", [*SYSTEM, GATEWAY / "auth" / "refusals.py"])
        visitor.problems.clear()  # of the refusal, as wanted

        visitor.visit(server.url)
        page.get_by_role("link", name="Sign out").click()
        page.wait_for_url("**/login?*")
        sign_in(page, "Grace", "admin", "manager")
        visitor.settle()
        visitor.follow("Approvals")
        expect(page.get_by_role("button", name="Approve")).to_have_count(4)
        album.take(page, "approvals", sources)
        page.get_by_role("button", name="Approve").last.click()
        expect(page.get_by_role("button", name="Approve")).to_have_count(3)
        visitor.follow("Administration")
        expect(page.get_by_test_id("stMetric").filter(has_text="Approved")).to_contain_text("1")
        expect(page.get_by_test_id("stDataFrame")).to_be_visible()
        album.take(page, "portal", sources)

        visitor.follow("Approvals")
        page.get_by_role("button", name="Approve").first.click()
        expect(page.get_by_text("Another manager decides about your own request.")).to_be_visible()
        assert visitor.exceptions() == []

        # A mistake while the portal is developed.
        visitor.visit(server.url)
        saved = folder / "portal" / "app.py"
        saved.write_text(saved.read_text().replace("def home(", "deff home("))
        expect(page.get_by_text("SyntaxError").first).to_be_visible()
        album.take(page, "dev-error", [EXAMPLES / "portal", GATEWAY / "worker" / "page_reload.py"])


def test_the_pipeline_shows_the_progress_of_its_worker(visitor: Visitor, album: Album, tmp_path: Path) -> None:
    with example("pipeline", tmp_path) as server:
        page = visitor.page
        small(page, 800)
        visitor.visit(server.url)
        page.get_by_role("button", name="Process a sample").click()
        expect(page.get_by_text("20,000 rows, 8 left out")).to_be_visible()
        page.get_by_role("button", name="Process a sample").click()
        expect(page.get_by_test_id("stProgress")).to_contain_text(re.compile(r"[1-9]\d%"))
        album.take(page, "pipeline", [EXAMPLES / "pipeline"], moving=True)
        expect(page.get_by_text("20,000 rows, 8 left out")).to_have_count(2)

        wrong = tmp_path / "wrong.csv"
        wrong.write_text("a,b\n1,2\n")
        page.locator("input[type=file]").set_input_files(wrong)
        expect(page.get_by_text("wrong.csv")).to_be_visible()  # until then, the form would be sent without it
        page.get_by_role("button", name="Process", exact=True).click()
        expect(page.get_by_text("The file needs the columns category and amount")).to_be_visible()
        assert visitor.exceptions() == []
        assert [job["rejected"] for job in api(server, "/jobs")] == [0, 8, 8]


def test_the_adopted_pair_is_served_as_it_is(visitor: Visitor, album: Album, tmp_path: Path) -> None:
    for name in ("dashboard.py", "service.py"):
        assert "fluxlit" not in (EXAMPLES / "adopted" / name).read_text().casefold()
    with example("adopted", tmp_path) as server:
        page = visitor.page
        small(page, 700)
        visitor.visit(server.url)
        expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks").first).to_be_visible()
        album.take(page, "adopted", [EXAMPLES / "adopted"])

        new = {"station": "Hill", "hour": 20, "celsius": -3.5}
        assert api(server, "/measurements", method="POST", json=new) == new
        page.get_by_role("button", name="Refresh").click()
        expect(page.get_by_test_id("stMetric").filter(has_text="Hill")).to_contain_text("-3.5 °C")
        visitor.follow("Measurements")
        expect(page.get_by_test_id("stDataFrame")).to_be_visible()
        assert visitor.exceptions() == []


def of_a_restart(url: str) -> str:
    """Return the page that a visitor gets while a worker starts again."""
    deadline = time.monotonic() + 60
    while (response := httpx.get(url, headers={"accept": "text/html"}, trust_env=False)).status_code != 503:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return response.text


def show(context: BrowserContext, text: str, album: Album) -> None:
    """Take pictures of it, however soon the worker is back."""
    page = context.new_page()
    small(page)
    page.route("**/*", lambda route: route.fulfill(body=text, content_type="text/html"))
    page.goto("http://127.0.0.1/")
    expect(page.get_by_text("The application is starting.")).to_be_visible()
    album.take(page, "restarting", [GATEWAY / "_internal" / name for name in ("system_page.py", "responses.py")])
    page.close()


def test_the_demo_shows_client_state_and_stream(visitor: Visitor, album: Album, tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text('target = "missing:app"\n')  # of another application
    with (
        nothing_left() as mark,
        background([*COMMAND, "demo", "--port", "0"], cwd=tmp_path, environ=clean_environ() | mark) as server,
    ):
        url = server.wait_for(r"ready at (http://\S+)/\n", 60)[1]
        page = visitor.page
        small(page, 770)
        visitor.visit(url)
        album.take(page, "demo", [GALLERY])

        visitor.follow("API client")
        page.get_by_label("Name").fill("Hedy")
        page.get_by_role("button", name="Sign the guest book").click()
        until(lambda: httpx.get(f"{url}/api/guests", trust_env=False).json()[-1]["name"] == "Hedy", "she is a guest")
        visitor.settle()
        page.get_by_label("Name").fill("H")
        page.get_by_role("button", name="Sign the guest book").click()
        expect(page.get_by_text("String should have at least 2 characters")).to_be_visible()
        album.take(page, "demo-client", [GALLERY])

        visitor.follow("State that survives")
        page.get_by_label("A note").fill("Still here")
        page.keyboard.press("Enter")
        visitor.settle()
        process = page.get_by_test_id("stMetricValue")
        first = process.inner_text()
        album.take(page, "demo-state", [GALLERY])
        with visitor.reconnecting():
            page.get_by_role("button", name="End this process").click()
            show(page.context, of_a_restart(url), album)
        page.get_by_role("button", name="Run the page again").click()
        expect(process).not_to_have_text(first)
        expect(page.get_by_label("A note")).to_have_value("Still here")
        visitor.problems.clear()  # of the process that ended

        visitor.follow("Stream")
        page.get_by_role("button", name="Listen").click()
        expect(page.get_by_text("60 events arrived one by one.")).to_be_visible()
        album.take(page, "demo-stream", [GALLERY])
        assert visitor.exceptions() == []
        assert server.stop() == 0
