"""Streamlit's front end, as a browser asks for it."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import anyio
import brotli
import httpx
import pytest

from fluxlit.frontend import Cache, Files
from fluxlit.frontend import background_compression as improvement
from fluxlit.frontend.precompression import prepare
from fluxlit.gateway.static_assets import Assets

pytestmark = pytest.mark.anyio

SCRIPT = b"console.log('hello');\n" * 500
FONT = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "static" / "js").mkdir(parents=True)
    (root / "static" / "media").mkdir()
    (root / "static" / "js" / "index.DormvYxC.js").write_bytes(SCRIPT)
    (root / "static" / "media" / "Sans.BsWL4Kly.woff2").write_bytes(FONT)
    (root / "favicon.png").write_bytes(b"png")
    (root / "index.html").write_bytes(b"<html>")
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def assets_of(folder: Path, cache: Path | None) -> Assets:
    return Assets(Files(folder, "1.0"), Cache([cache] if cache else [], cache))


@pytest.fixture
def http(folder: Path, cache: Path) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(assets_of(folder, cache))
    return httpx.AsyncClient(
        transport=transport, base_url="http://portal.example", headers={"accept-encoding": "identity"}
    )


JS = "/static/js/index.DormvYxC.js"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("identity", ""),
        ("br;q=0, gzip;q=0, *;q=0.000", ""),
    ],
)
async def test_text_is_compressed_as_the_client_wishes(http: httpx.AsyncClient, accepted: str, encoding: str) -> None:
    async with http, http.stream("GET", JS, headers={"accept-encoding": accepted}) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    decode = {"br": brotli.decompress, "gzip": gzip.decompress, "": bytes}[encoding]
    assert decode(raw) == SCRIPT
    assert answer.headers.get("content-encoding", "") == encoding
    assert int(answer.headers["content-length"]) == len(raw)
    assert answer.headers["vary"] == "accept-encoding"


async def test_hashed_names_may_be_kept_for_ever_and_others_are_asked_for_again(http: httpx.AsyncClient) -> None:
    async with http:
        assert (await http.get(JS)).headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await http.get("/favicon.png")).headers["cache-control"] == "no-cache"


async def test_fonts_are_sent_as_they_are(http: httpx.AsyncClient) -> None:
    async with http:
        answer = await http.get("/static/media/Sans.BsWL4Kly.woff2", headers={"accept-encoding": "br"})
    assert answer.content == FONT
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers


async def test_what_a_browser_has_is_not_sent_again(http: httpx.AsyncClient) -> None:
    async with http:
        first = await http.get(JS, headers={"accept-encoding": "br"})
        again = await http.get(
            JS, headers={"accept-encoding": "br", "if-none-match": f'"other", W/{first.headers["etag"]}'}
        )
        other = await http.get(JS, headers={"accept-encoding": "gzip", "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert other.status_code == 200, "another Content-Encoding is another representation (RFC 9110 section 8.8.3)"


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, len(SCRIPT)),
        ("bytes=-7", 206, len(SCRIPT) - 7, len(SCRIPT)),
        ("bytes=5-99999999", 206, 5, len(SCRIPT)),
        ("bytes=99999999-", 416, 0, 0),
        (f"bytes={'9' * 5000}-", 416, 0, 0),
        (f"bytes=0-{'9' * 5000}", 206, 0, len(SCRIPT)),
        (f"bytes=-{'9' * 5000}", 206, 0, len(SCRIPT)),
        (f"bytes={'0' * 5000}-9", 206, 0, 10),
        ("bytes=0-1,5-6", 200, 0, len(SCRIPT)),
        ("lines=1-2", 200, 0, len(SCRIPT)),
        ("bytes=-", 200, 0, len(SCRIPT)),
    ],
)
async def test_ranges(http: httpx.AsyncClient, asked: str, status: int, begin: int, end: int) -> None:
    async with http:
        answer = await http.get(JS, headers={"range": asked, "accept-encoding": "br"})
    assert (answer.status_code, answer.content) == (status, SCRIPT[begin:end])
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(SCRIPT)}"


async def test_a_range_of_an_older_version_is_answered_whole(http: httpx.AsyncClient) -> None:
    async with http:
        answer = await http.get(JS, headers={"range": "bytes=0-9", "if-range": '"older"'})
    assert (answer.status_code, answer.content) == (200, SCRIPT)


async def test_head_has_the_length_and_no_body(http: httpx.AsyncClient) -> None:
    async with http:
        answer = await http.head(JS)
    assert (answer.headers["content-length"], answer.content) == (str(len(SCRIPT)), b"")


async def test_other_methods_are_told_which_there_are(http: httpx.AsyncClient) -> None:
    """RFC 9110 section 15.5.6."""
    answer = await http.post(JS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/static/js/gone.AAAAAAAA.js", "/static/", "/static/../index.html", "/index.html"])
async def test_what_is_not_there_is_404_and_never_the_page(http: httpx.AsyncClient, path: str) -> None:
    async with http:
        answer = await http.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


async def raw(assets: Assets, encoding: str = "gzip") -> bytes:
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(assets), base_url="http://p") as http,
        http.stream("GET", JS, headers={"accept-encoding": encoding}) as answer,
    ):
        assert answer.headers["content-encoding"] == encoding
        return b"".join([piece async for piece in answer.aiter_raw()])


async def test_a_compressed_file_is_made_once_for_all_processes(folder: Path, cache: Path) -> None:
    assert gzip.decompress(await raw(assets_of(folder, cache))) == SCRIPT
    (stored,) = cache.iterdir()
    Cache([cache], cache).put(stored.name, b"from the cache")
    assert await raw(assets_of(folder, cache)) == b"from the cache"


async def test_a_damaged_file_of_the_cache_is_never_sent(folder: Path, cache: Path) -> None:
    """A browser would keep it for a year."""
    whole = await raw(assets_of(folder, cache))
    (stored,) = cache.iterdir()
    for damage in (stored.read_bytes()[:-1], stored.read_bytes()[:40], b"", stored.read_bytes() + b"x"):
        stored.write_bytes(damage)
        assert await raw(assets_of(folder, cache)) == whole
        assert Cache([cache], cache).get(stored.name) == whole, "it is made anew"


async def test_without_a_cache_nothing_is_written(folder: Path, cache: Path) -> None:
    assert gzip.decompress(await raw(assets_of(folder, None))) == SCRIPT
    assert not list(cache.iterdir())


async def test_a_cache_that_cannot_be_written_is_no_obstacle(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert gzip.decompress(await raw(assets_of(folder, gone))) == SCRIPT


async def test_what_is_prepared_is_sent_in_its_best_variant(folder: Path, cache: Path) -> None:
    files, shelf = Files(folder, "1.0"), Cache([cache], cache)
    _, prepared = prepare(files, shelf, threads=2)
    assert [(each.path, each.size) for each in prepared] == [(JS, len(SCRIPT))]
    body = await raw(Assets(files, shelf), "br")
    assert (brotli.decompress(body), body) == (SCRIPT, brotli.compress(SCRIPT, quality=11))


async def test_the_first_visitor_gets_a_quick_variant_and_later_ones_the_best(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best is made in a process beside the gateway.

    Here it is one that has other files to work on.
    """
    monkeypatch.setattr(improvement, "SETTLE_S", 0.0)
    program = (
        "import json, pathlib, sys; from fluxlit.frontend import Cache, Files; "
        "from fluxlit.frontend.precompression import improve; "
        f"folder, cache = pathlib.Path({str(folder)!r}), pathlib.Path({str(cache)!r}); "
        "improve(json.loads(sys.stdin.readline()), Files(folder, '1.0'), Cache([cache], cache))"
    )
    monkeypatch.setattr(improvement, "COMMAND", (sys.executable, "-c", program))
    assets = assets_of(folder, cache)
    quick, best = brotli.compress(SCRIPT, quality=9), brotli.compress(SCRIPT, quality=11)
    assert await raw(assets, "br") == quick != best
    with anyio.fail_after(60):
        while await raw(assets, "br") != best:  # noqa: ASYNC110  (of another process)
            await anyio.sleep(0.05)


async def test_entity_tags_tell_the_variants_apart_and_do_not_depend_on_times(folder: Path, cache: Path) -> None:
    """The layers of an image cut times to whole seconds.

    Replicas have different ones.
    """

    async def tags(assets: Assets) -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(assets), base_url="http://p") as http:
            return [
                (await http.get(path, headers={"accept-encoding": coding})).headers["etag"]
                for path in (JS, "/favicon.png")
                for coding in ("br", "gzip", "identity")
            ]

    quick = await tags(assets_of(folder, cache))
    list(prepare(Files(folder, "1.0"), Cache([cache], cache), threads=1)[1])
    for file in folder.rglob("*.*"):
        os.utime(file, (1, 1))
    best = await tags(assets_of(folder, cache))
    assert len({*quick[:3], *best[:3]}) == 4
    assert quick[1:] == best[1:]


async def test_files_of_a_streamlit_that_was_upgraded_under_the_gateway(folder: Path, cache: Path) -> None:
    transport = httpx.ASGITransport(assets_of(folder, cache))
    scripts = folder / "static" / "js"
    async with httpx.AsyncClient(transport=transport, base_url="http://portal.example") as http:
        assert (await http.get(JS)).content == SCRIPT
        (scripts / "index.DormvYxC.js").rename(scripts / "index.Newer123.js")
        assert (await http.get("/static/js/index.Newer123.js")).content == SCRIPT
        assert (await http.get(JS)).content == SCRIPT, "kept: open tabs ask for it"
        (folder / "static" / "media" / "Sans.BsWL4Kly.woff2").unlink()
        assert (await http.get("/static/media/Sans.BsWL4Kly.woff2")).status_code == 404


def test_the_installed_streamlit_is_found_without_importing_it() -> None:
    assets = Assets.of_streamlit()
    assert assets is not None
