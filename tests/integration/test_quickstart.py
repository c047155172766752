"""The example of the front page, used as a person uses it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from fluxlit.testing import Server, run_server
from tests.support.chromium import Visitor
from tests.support.pictures import Album

pytestmark = pytest.mark.browser

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with run_server("app:app", QUICKSTART) as server:
        yield server


def test_the_picture_of_the_readme_shows_this_code(server: Server, visitor: Visitor, album: Album) -> None:
    """Numbers fit at this width, and there is no Deploy button."""
    visitor.page.set_viewport_size({"width": 1100, "height": 700})
    visitor.visit(server.url)
    expect(visitor.page.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks").first).to_be_visible()
    expect(visitor.page.get_by_test_id("stDataFrame")).to_be_visible()
    cut = "nodes => nodes.filter(each => each.scrollWidth > each.clientWidth).map(each => each.innerText)"
    assert visitor.page.get_by_test_id("stMetricValue").locator("div").evaluate_all(cut) == []
    expect(visitor.page.get_by_test_id("stAppDeployButton")).to_have_count(0)
    album.take(visitor.page, "quickstart", [QUICKSTART])


def api(server: Server, path: str) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.get(f"{server.api_url}{path}")


def test_the_dashboard_shows_figures_chart_and_orders_from_the_api(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url)

    expect(visitor.heading("Tea house")).to_be_visible()
    figures = api(server, "/summary").json()
    metric = visitor.page.get_by_test_id("stMetric").filter(has_text="Orders")
    expect(metric).to_contain_text(str(figures["orders"]))
    expect(visitor.page.get_by_test_id("stVegaLiteChart").locator("canvas, svg.marks").first).to_be_visible()
    expect(visitor.page.get_by_test_id("stDataFrame")).to_be_visible()
    expect(visitor.page).to_have_title("Dashboard")
    assert visitor.exceptions() == []


def test_an_order_goes_through_the_form_to_the_api_and_back(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url).follow("New order")
    visitor.page.get_by_label("Customer").fill("Mary Somerville")
    visitor.page.get_by_label("Note").fill("Hot, please")
    visitor.page.get_by_role("button", name="Take the order").click()

    done = visitor.page.get_by_text(re.compile(r"Order \d+ for Mary Somerville: 2 pots of Assam, € 8\.40"))
    expect(done).to_be_visible()
    number = re.search(r"Order (\d+)", done.inner_text())
    assert number is not None
    stored = api(server, f"/orders/{number.group(1)}").json()
    assert (stored["customer"], stored["note"], stored["total"]) == ("Mary Somerville", "Hot, please", 8.4)
    expect(visitor.page.get_by_test_id("stJson")).to_contain_text("Mary Somerville")


def test_what_the_api_refuses_is_told_on_the_page(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/orders")
    visitor.page.get_by_label("Customer").fill("A")
    visitor.page.get_by_role("button", name="Take the order").click()

    expect(visitor.page.get_by_text("Customer: String should have at least 2 characters")).to_be_visible()


def test_a_large_file_is_uploaded_whole(server: Server, visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "scan.bin"
    file.write_bytes(b"0123456789abcdef" * (50_000_000 // 16))
    visitor.visit(f"{server.url}/orders")

    visitor.page.locator("input[type=file]").set_input_files(file)

    expect(visitor.page.get_by_text("50,000,000 bytes")).to_be_visible()
    expect(visitor.page.get_by_text(hashlib.sha256(file.read_bytes()).hexdigest())).to_be_visible()


def test_the_report_is_downloaded(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url)

    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Download the report").click()

    assert download.value.suggested_filename == "report.csv"
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines == api(server, "/report.csv").text.splitlines()
    assert lines[0] == "day,revenue"
    assert len(lines) > 20


def test_a_refresh_comes_back_to_the_same_page(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url).follow("New order")
    visitor.page.reload()
    visitor.settle()

    expect(visitor.heading("New order")).to_be_visible()
    assert visitor.page.url == f"{server.url}/orders"


def test_a_second_tab_is_a_session_of_its_own(server: Server, visitor: Visitor) -> None:
    visitor.visit(f"{server.url}/orders")
    visitor.page.get_by_label("Customer").fill("First")
    second = Visitor(visitor.page.context.new_page(), visitor.problems)
    second.watch()
    second.visit(f"{server.url}/orders")

    expect(second.page.get_by_label("Customer")).to_have_value("")
    expect(visitor.page.get_by_label("Customer")).to_have_value("First")


def test_two_people_order_at_the_same_time(server: Server, new_visitor: Callable[[], Visitor]) -> None:
    people = [new_visitor().visit(f"{server.url}/orders") for _ in range(2)]
    for number, person in enumerate(people):
        person.page.get_by_label("Customer").fill(f"Customer {number}")
    for person in people:
        person.page.get_by_role("button", name="Take the order").click()

    for number, person in enumerate(people):
        expect(person.page.get_by_text(re.compile(rf"Order \d+ for Customer {number}"))).to_be_visible()


def test_the_layout_of_one_page_does_not_stay_on_the_next(server: Server, visitor: Visitor) -> None:
    visitor.visit(server.url)
    width = "document.querySelector('[data-testid=stMainBlockContainer]').clientWidth"
    visitor.page.wait_for_function(f"{width} > 800")
    visitor.follow("New order")

    expect(visitor.heading("New order")).to_be_visible()
    visitor.page.wait_for_function(f"{width} < 800")


def test_the_command_serves_the_same_application(visitor: Visitor) -> None:
    with run_server("app:app", QUICKSTART, command="run") as server:
        visitor.visit(server.url)

        expect(visitor.page.get_by_test_id("stDataFrame")).to_be_visible()
        expect(visitor.page.get_by_test_id("stMetric").first).to_contain_text("€")
        assert visitor.exceptions() == []
        assert f"FluxLit is ready at {server.url}/" in server.log()


def test_the_openapi_document_reads_well(server: Server) -> None:
    document = api(server, "/openapi.json").json()

    assert document["info"] == {
        "title": "Tea house",
        "version": "1.0.0",
        "description": "Take orders for tea, and see how the house is doing.",
    }
    assert list(document["paths"]) == ["/summary", "/orders", "/orders/{order_id}", "/report.csv"]
    assert document["servers"] == [{"url": "/api"}]
