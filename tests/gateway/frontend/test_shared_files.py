"""Front-end files that gateways of several releases share in a store."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest

from fluxlit import Settings
from fluxlit.frontend import Cache, Files, SharedFiles, shared_files, store_of
from fluxlit.gateway.static_assets import Assets
from fluxlit_sessions import MemorySessionStore, SessionStoreUnavailable

pytestmark = pytest.mark.anyio

KEY = "k" * 40
FONT = bytes(range(256)) * 4


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_files, "LOOK_S", 0.05)


def install(folder: Path, release: str) -> Files:
    """A front end: a page, and the files that it names."""
    names = [f"js/index.{release}.js", f"js/Chart.{release}.js", f"css/index.{release}.css", f"media/S.{release}.woff2"]
    for name in names:
        file = folder / release / "static" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(FONT if name.endswith("woff2") else f"/* {name} */".encode() * 50)
    (folder / release / "index.html").write_text("\n".join(f"./static/{name}" for name in names))
    return Files(folder / release, release)


@asynccontextmanager
async def gateway(files: Files, store: Any) -> AsyncIterator[tuple[httpx.AsyncClient, SharedFiles]]:
    """A gateway of a release, once its files are in the store."""
    assets = Assets(files, Cache([], None))
    shared = assets.share(store)
    async with shared.running():
        await shared.wait()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(assets), base_url="http://p") as http:
            yield http, shared


def store(**options: Any) -> MemorySessionStore:
    return MemorySessionStore(keys=[KEY], idle_ttl=3600.0, **options)


class Reads:
    """How often a store was read."""

    def __init__(self, store: Any) -> None:
        self.count = 0
        store.add_observer(self)

    def __call__(self, event: Any) -> None:
        self.count += event.operation == "read"


async def test_loads_round_robin_over_two_releases_find_every_file(tmp_path: Path) -> None:
    old, new, kept = install(tmp_path, "aaaaaaaa"), install(tmp_path, "bbbbbbbb"), store()
    async with gateway(old, kept) as (one, _), gateway(new, kept) as (two, _):
        turns = [one, two] * 20
        for files in (old, new):
            for path in files.shell.read_text().split():
                for accepted in ("br", "gzip", "identity"):
                    responses = [
                        await turns.pop().get(path[1:], headers={"accept-encoding": accepted}) for _ in range(2)
                    ]
                    turns += [one, two]
                    assert [each.status_code for each in responses] == [200, 200]
                    assert {each.content for each in responses} == {(files.folder / path).read_bytes()}
                    assert len({each.headers["content-type"] for each in responses}) == 1
                    assert {each.headers["cache-control"] for each in responses} == {
                        "public, max-age=31536000, immutable"
                    }
        part = await one.get("/static/js/Chart.bbbbbbbb.js", headers={"range": "bytes=3-5"})
        assert (part.status_code, part.content) == (206, b"js/")


async def test_a_file_goes_out_as_it_is_kept_and_packed_for_few_clients_only(tmp_path: Path) -> None:
    kept = store()
    async with gateway(install(tmp_path, "aaaaaaaa"), kept), gateway(install(tmp_path, "bbbbbbbb"), kept) as (two, _):
        path = "/static/js/index.aaaaaaaa.js"
        text = (tmp_path / "aaaaaaaa" / path[1:]).read_bytes()
        async with two.stream("GET", path, headers={"accept-encoding": "br"}) as packed:
            assert brotli.decompress(b"".join([piece async for piece in packed.aiter_raw()])) == text
        async with two.stream("GET", path, headers={"accept-encoding": "gzip"}) as zipped:
            assert gzip.decompress(b"".join([piece async for piece in zipped.aiter_raw()])) == text


async def test_names_that_no_release_has_cost_the_store_nothing(tmp_path: Path) -> None:
    kept = store()
    async with gateway(install(tmp_path, "aaaaaaaa"), kept), gateway(install(tmp_path, "bbbbbbbb"), kept) as (two, _):
        assert (await two.get("/static/js/index.aaaaaaaa.js")).status_code == 200
        reads = Reads(kept)
        made_up: Iterable[str] = (
            *(f"/static/js/index.{number:08}.js" for number in range(200)),
            "/static/js/index.js",
            "/static/js/x/index.aaaaaaaa.js",
            "/media/index.aaaaaaaa.js",
        )
        found = await asyncio.gather(*(two.get(path) for path in made_up))
        assert {each.status_code for each in found} == {404}
        assert {each.headers["cache-control"] for each in found} == {"no-store"}
        assert reads.count <= 2
        await two.get("/static/js/index.aaaaaaaa.js")
        assert reads.count <= 2, "a file that was found stays in memory"


async def test_a_release_that_has_just_become_ready_is_found(tmp_path: Path) -> None:
    kept = store()
    async with gateway(install(tmp_path, "aaaaaaaa"), kept) as (one, _):
        assert (await one.get("/static/js/index.00000000.js")).status_code == 404
        async with gateway(install(tmp_path, "bbbbbbbb"), kept):
            assert (await one.get("/static/js/index.bbbbbbbb.js")).status_code == 200


async def test_what_another_gateway_of_the_release_has_put_there_is_not_put_again(tmp_path: Path) -> None:
    kept, files = store(), install(tmp_path, "aaaaaaaa")
    async with gateway(files, kept):
        reads = Reads(kept)
        async with gateway(files, kept):
            assert reads.count == 1


async def test_only_the_newest_releases_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_files, "MOST_RELEASES", 2)
    kept, releases = store(), ("aaaaaaaa", "bbbbbbbb", "cccccccc")
    async with AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(gateway(install(tmp_path, each), kept)) for each in releases]
        last = gateways[-1][0]
        assert [(await last.get(f"/static/js/index.{each}.js")).status_code for each in releases] == [404, 200, 200]


async def test_gateways_that_start_together_are_all_in_the_list(tmp_path: Path) -> None:
    kept = store()
    parts = [
        Assets(install(tmp_path, release), Cache([], None)).share(kept)
        for release in ("aaaaaaaa", "bbbbbbbb", "cccccccc")
    ]
    await asyncio.gather(*(part.publish() for part in parts))
    found = [await parts[0].find(f"/static/js/index.{release}.js") for release in ("bbbbbbbb", "cccccccc")]
    assert None not in found


async def test_without_the_store_the_gateway_starts_and_says_what_may_be_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store()

    async def away(*_: object, **__: object) -> None:
        raise SessionStoreUnavailable("connection refused", location="redis://host")

    monkeypatch.setattr(kept, "aread", away)
    async with gateway(install(tmp_path, "aaaaaaaa"), kept) as (one, _):
        assert (await one.get("/static/js/index.aaaaaaaa.js")).status_code == 200
        assert (await one.get("/static/js/index.bbbbbbbb.js")).status_code == 404
    assert "cannot be put into the session store" in caplog.messages[0]
    assert "Pages may lack files" in caplog.messages[0]
    assert "of another release cannot be looked for" in caplog.messages[1]


@pytest.mark.parametrize(
    ("settings", "shared"),
    [
        ({}, False),
        ({"session_store": "sqlite:///s.db"}, False),
        ({"session_store": "memory://", "secret_key": (KEY,)}, False),
        ({"session_store": "sqlite:///s.db?namespace=shop&max_bytes=1000&idle_ttl=60", "secret_key": (KEY,)}, True),
    ],
    ids=["no store", "no key", "one process", "shared"],
)
def test_files_are_shared_through_a_shared_store_with_a_key_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], shared: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = store_of(Settings(**settings))
    assert (kept is not None) == shared
    if kept is not None:
        with kept:
            found = kept.create({"brotli": bytes(100_000)})  # more than a session may have
            assert "shop-front-end" in repr(kept)
            assert (found.expires_at - found.created_at).days == 7
