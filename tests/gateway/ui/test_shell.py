"""Streamlit's page as a browser gets it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from fluxlit.frontend import Files, Shelf
from fluxlit.frontend.icons import LEVEL, Icons, lean_font
from fluxlit.frontend.page import with_lean_icons
from fluxlit.ui.notice import SCRIPT, with_notice
from fluxlit.ui.shell import Shell

pytestmark = pytest.mark.anyio

FONT = "MaterialSymbols-Rounded.nEdyypZU.woff2"
STYLE = (
    f'@font-face{{font-family:Icons;src:url(../media/{FONT})format("woff2")}}'
    '@font-face{font-family:Text;src:url(../media/Text.ABCDEFGH.woff2)format("woff2")}'
)
LINK = '<link rel="stylesheet" crossorigin href="./static/css/index.C1JORDN2.css">'
PAGE = f"<html><head><title>S</title>{LINK}</head><body></body></html>"
LEAN = re.compile(r"\./static/media/MaterialSymbols-Rounded\.[0-9a-f]{8}\.woff2")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    static = tmp_path / "front" / "static"
    for name, text in (("css/index.C1JORDN2.css", STYLE), (f"media/{FONT}", "a large font")):
        (static / name).parent.mkdir(parents=True)
        (static / name).write_text(text)
    (tmp_path / "front" / "index.html").write_text(PAGE)
    return Files(tmp_path / "front", "1.0")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "shelf").mkdir()
    return Shelf([tmp_path / "shelf"], tmp_path / "shelf")


@pytest.fixture
def site(files: Files) -> Starlette:
    """An application that serves the files as Streamlit does, and compresses some of them as it does."""
    other = Route("/other", lambda _: HTMLResponse(PAGE.replace("S", "T")))
    page = Mount("/", GZipMiddleware(StaticFiles(directory=files.folder, html=True), minimum_size=10))
    return Starlette(routes=[other, page])


@pytest.fixture
def http(site: Starlette, files: Files, shelf: Shelf) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Shell(site, files, shelf))
    return httpx.AsyncClient(transport=transport, base_url="http://p", headers={"accept-encoding": "br"})


def make_lean(shelf: Shelf) -> None:
    shelf.put(f"static-media-{FONT}.nEdyypZU-{len('a large font'):x}.{LEVEL}", b"a lean font")


async def test_the_page_is_compressed_and_otherwise_streamlit_s_own(http: httpx.AsyncClient) -> None:
    async with http:
        answer = await http.get("/")
        plain = await http.get("/", headers={"accept-encoding": "identity"})
    assert answer.headers["content-encoding"] == "br"
    assert answer.text == plain.text == PAGE
    assert answer.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert answer.headers["etag"] != plain.headers["etag"]
    assert int(plain.headers["content-length"]) == len(PAGE)
    assert "last-modified" not in answer.headers


async def test_a_page_that_streamlit_has_compressed_is_recognised(http: httpx.AsyncClient, shelf: Shelf) -> None:
    make_lean(shelf)
    async with http:
        for accepted, encoding in (("gzip, br", "br"), ("gzip", "gzip"), ("identity", None)):
            answer = await http.get("/", headers={"accept-encoding": accepted})
            assert answer.headers.get("content-encoding") == encoding
            assert LEAN.search(answer.text)
            assert answer.headers.get_list("vary") == ["accept-encoding"]


async def test_a_browser_that_has_it_is_not_sent_it_again_until_it_changes(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    async with http:
        tag = (await http.get("/")).headers["etag"]
        again = await http.get("/", headers={"if-none-match": tag})
        make_lean(shelf)
        changed = await http.get("/", headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert changed.status_code == 200
    assert LEAN.search(changed.text)


async def test_head_answers_as_get_does_without_the_page(http: httpx.AsyncClient) -> None:
    async with http:
        get, head = await http.get("/"), await http.head("/")
    assert head.content == b""
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


async def test_the_lean_font_comes_first_and_the_original_where_it_cannot_be_had(
    http: httpx.AsyncClient, files: Files, shelf: Shelf
) -> None:
    make_lean(shelf)
    lean = Icons(files, shelf).find()
    assert lean is not None
    async with http:
        page = (await http.get("/")).text
    assert LINK not in page
    assert page.replace("./static/media", "../media") == PAGE.replace(
        LINK,
        "<style>"
        + STYLE.replace(
            f"url(../media/{FONT})",
            f'url(..{lean.asset.path.removeprefix("/static")})format("woff2"),url(../media/{FONT})',
        )
        + "</style>",
    )


@pytest.mark.parametrize(
    "style",
    [
        "@import 'more.css';" + STYLE,
        STYLE + ".a{background:url(picture.png)}",
        STYLE + ".a{content:'</style>'}",
        STYLE + STYLE,
        STYLE.replace("woff2", "woff"),
    ],
)
async def test_a_style_sheet_that_is_not_understood_stays_where_it_is(
    http: httpx.AsyncClient, files: Files, shelf: Shelf, style: str
) -> None:
    make_lean(shelf)
    (files.folder / "static/css/index.C1JORDN2.css").write_text(style)
    async with http:
        assert (await http.get("/")).text == PAGE


@pytest.mark.parametrize("path", ["/other", f"/static/media/{FONT}", "/gone"])
async def test_everything_else_is_left_alone(http: httpx.AsyncClient, site: Starlette, path: str) -> None:
    async with http, httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://p") as direct:
        mine, own = await http.get(path), await direct.get(path)
        assert (mine.status_code, mine.headers, mine.content) == (own.status_code, own.headers, own.content)


async def test_a_part_of_the_page_is_of_streamlit_s_file(http: httpx.AsyncClient) -> None:
    async with http:
        part = await http.get("/", headers={"range": "bytes=0-5"})
    assert (part.status_code, part.content) == (206, b"<html>")


async def test_the_notice_of_a_login_stands_in_the_same_page(site: Starlette, files: Files, shelf: Shelf) -> None:
    make_lean(shelf)
    transport = httpx.ASGITransport(with_notice(Shell(site, files, shelf)))
    fields = {"accept": "text/html", "accept-encoding": "gzip"}
    async with httpx.AsyncClient(transport=transport, base_url="http://p", headers=fields) as http:
        answer = await http.get("/")
        plain = await http.get("/", headers={"accept-encoding": "identity"})
    assert (answer.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert answer.text == plain.text
    assert SCRIPT in answer.text
    assert LEAN.search(answer.text)
    assert answer.headers["vary"] == "accept-encoding"


def test_the_installed_streamlit_is_understood() -> None:
    """Its page and its style sheet are as the rules expect."""
    files = Files.of_streamlit()
    assert files is not None
    original = Icons(files, Shelf([], None)).original
    assert original is not None
    page = with_lean_icons(files, lean_font(original, b"a lean font"))
    assert LEAN.search(page)
    assert len(page) > 30_000
