"""Several workers behind one port.

Who gets which, what sticks, and what happens when one dies.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from textwrap import dedent

import httpx
import psutil
import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate

from fluxlit.testing import Server, run_server
from tests.support.processes import descendants
from tests.support.session import Session

pytestmark = pytest.mark.anyio

COOKIE = "fluxlit_worker"

APP = """
    import os

    import streamlit
    from fluxlit import FluxLit

    app = FluxLit(title="Several")

    @app.api.get("/ping")
    def ping() -> str:
        return "pong"

    @app.page("/")
    def home(st):
        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        st.text(f"worker {os.getpid()}")
        st.text(f"run {st.session_state['runs']}")

    @app.page("/files")
    def files(st):
        from streamlit.runtime import get_instance

        content = f"made by {os.getpid()}".encode()
        st.file_uploader("File")
        st.download_button("Load", content)
        st.text(get_instance().media_file_mgr.add(content, "text/plain", "here"))

    @app.page("/secret")
    def secret(st):
        import hashlib

        st.text(hashlib.sha256(streamlit.get_option("server.cookieSecret").encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("several")
    (directory / "app.py").write_text(dedent(APP))
    return directory


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[Server]:
    with run_server("app:app", directory, command="run", streamlit_workers=2) as server:
        yield server


@pytest.fixture(scope="module")
def spreading(directory: Path) -> Iterator[Server]:
    """Workers that have nothing but what the tests of spreading send.

    Pages of other tests count as load for some seconds.
    """
    with run_server("app:app", directory, command="run", streamlit_workers=2) as server:
        yield server


@asynccontextmanager
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as client:
        yield client


@asynccontextmanager
async def one_each(server: Server) -> AsyncIterator[tuple[Session, Session]]:
    """Two tabs of different browsers, on different workers."""
    async with AsyncExitStack() as tabs:
        seen: dict[int, Session] = {}
        for _ in range(6):
            tab = await tabs.enter_async_context(Session(server.url))
            seen.setdefault(pid(await tab.run()), tab)
            if len(seen) == 2:
                break
        one, other = seen.values()
        yield one, other


def is_even(seen: Sequence[object]) -> bool:
    """Six visitors on two workers.

    An odd one may be left from the test before.
    """
    return sorted(map(seen.count, set(seen))) in ([3, 3], [2, 4])


def pid(texts: list[str]) -> int:
    return int(texts[0].removeprefix("worker "))


async def test_new_sessions_are_spread_evenly(spreading: Server) -> None:
    async with AsyncExitStack() as tabs:
        seen = [pid(await (await tabs.enter_async_context(Session(spreading.url))).run()) for _ in range(6)]

    assert is_even(seen)


async def test_browsers_that_open_their_page_at_once_are_spread_before_they_connect(spreading: Server) -> None:
    given = []
    for _ in range(6):
        async with http(spreading) as browser:
            given.append((await browser.get("/")).cookies[COOKIE])
            assert COOKIE not in (await browser.get("/files")).cookies, "it has one, and gets no other"

    assert is_even(given)


async def test_the_cookie_is_set_on_pages_and_sockets_and_on_nothing_else(server: Server) -> None:
    async with http(server) as client:
        page = await client.get("/")
        client.cookies.clear()
        others = [
            await client.get(path) for path in ("/_stcore/health", "/api/ping", "/favicon.png", "/media/none.png")
        ]
    async with Session(server.url) as tab:
        told = tab.set_cookies[COOKIE]

    (field,) = [each for each in page.headers.get_list("set-cookie") if each.startswith(COOKIE)]
    assert field.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax"
    assert [COOKIE in (other.headers.get("set-cookie") or "") for other in others] == [False] * 4
    assert (told["path"], told["samesite"], told["httponly"], told["secure"]) == ("/", "Lax", True, "")


async def test_tabs_of_one_browser_share_a_worker(server: Server) -> None:
    async with Session(server.url) as first, Session(server.url):
        mine = f"{COOKIE}={first.set_cookies[COOKIE].value}"
        seen = {pid(await first.run())}
        for _ in range(3):
            async with Session(server.url, cookie=mine) as tab:
                seen.add(pid(await tab.run()))
                assert COOKIE not in tab.set_cookies, "it is where it belongs"

    assert len(seen) == 1


async def test_a_browser_without_cookies_comes_back_to_its_session(server: Server) -> None:
    for _ in range(4):
        async with Session(server.url) as first, Session(server.url):
            texts = await first.run()
        async with Session(server.url, resume=first.id) as again:
            assert await again.run() == [texts[0], "run 2"]
            assert again.id == first.id


async def test_a_file_goes_to_the_session_that_its_path_names(server: Server) -> None:
    async with one_each(server) as tabs, http(server) as client:
        for tab in tabs:
            await tab.run(page="files")  # which has an uploader
            headers = {"X-Xsrftoken": tab.xsrf, "Cookie": f"_streamlit_xsrf={tab.xsrf}", "Origin": server.url}
            path = f"/_stcore/upload_file/{tab.id}/file-1"
            answer = await client.put(path, files={"file": ("a.txt", b"text")}, headers=headers)
            assert answer.status_code == 204, answer.text
            assert (await client.delete(path, headers=headers)).status_code == 204


async def test_media_are_found_with_and_without_a_cookie(server: Server) -> None:
    async with one_each(server) as (one, other), http(server) as client:
        for tab in (one, other):
            (path,) = [text for text in await tab.run(page="files") if text.startswith("/media/")]
            for cookie in (None, one.set_cookies[COOKIE].value, other.set_cookies[COOKIE].value, "unknown"):
                headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
                answer = await client.get(path, headers=headers)
                assert answer.status_code == 200, (path, cookie)
                assert answer.text.startswith("made by ")
                part = await client.get(path, headers={**headers, "Range": "bytes=0-3"})
                assert (part.status_code, part.text) == (206, "made")
                assert (await client.head(path, headers=headers)).status_code == 200
        assert (await client.get("/media/nobody-has-it.png")).status_code == 404


async def test_all_workers_sign_with_one_secret_that_differs_between_starts(server: Server, directory: Path) -> None:
    secrets = await secrets_of(server)
    assert len(secrets) == 1
    chosen = {"STREAMLIT_SERVER_COOKIE_SECRET": "chosen by the user"}
    with run_server("app:app", directory, command="run", streamlit_workers=2, environment=chosen) as configured:
        assert await secrets_of(configured) == {hashlib.sha256(b"chosen by the user").hexdigest()} != secrets


async def secrets_of(server: Server) -> set[str]:
    async with one_each(server) as tabs:
        return {(await tab.run(page="secret"))[0] for tab in tabs}


async def test_the_cookie_carries_the_mount_and_is_secure_behind_https(directory: Path) -> None:
    with run_server(
        "app:app", directory, command="run", streamlit_workers=2, root_path="/apps/shop", trust_proxy=True
    ) as server:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            page = await client.get(f"{server.url}/", headers={"X-Forwarded-Proto": "https"})
    (field,) = [each for each in page.headers.get_list("set-cookie") if each.startswith(COOKIE)]
    assert field.partition("; ")[2] == "Path=/apps/shop; HttpOnly; SameSite=Lax; Secure"


async def test_one_worker_sets_no_cookie(directory: Path) -> None:
    with run_server("app:app", directory, command="run") as server:
        async with http(server) as client:
            assert COOKIE not in (await client.get("/")).cookies
        async with Session(server.url) as tab:
            assert COOKIE not in tab.set_cookies


async def test_messages_are_compressed_if_that_is_on_and_none_grows_above_the_limit(directory: Path) -> None:
    """A few kilobytes from a stranger must not become gigabytes in a worker."""
    with run_server("app:app", directory, command="run", gateway_ws_compression=True) as server:
        async with Session(server.url) as tab:
            assert (await tab.run())[1] == "run 1"
            (deflate,) = tab._socket.protocol.extensions
            assert isinstance(deflate, PerMessageDeflate)
            bomb = bytes(30_000_000)
            await tab._socket.send(bomb)
            assert await tab.closed() == 1009


async def test_a_dead_workers_browsers_move_to_another_at_once(directory: Path) -> None:
    with run_server("app:app", directory, command="run", streamlit_workers=2) as server:
        async with one_each(server) as (doomed, safe), http(server) as client:
            victim, survivor = pid(await doomed.run()), pid(await safe.run())
            old = doomed.set_cookies[COOKIE].value
            os.kill(victim, signal.SIGKILL)
            assert await doomed.closed() != 1000
            assert (await client.get("/api/readyz")).status_code == 200, "one worker still answers"
            async with Session(server.url, resume=doomed.id, cookie=f"{COOKIE}={old}") as moved:
                assert await moved.run() == [f"worker {survivor}", "run 1"]
                assert moved.set_cookies[COOKIE].value == safe.set_cookies[COOKIE].value
            assert await safe.run() == [f"worker {survivor}", "run 3"], "no other visitor noticed"
            await replaced(server, victim, survivor)
            async with Session(server.url, cookie=f"{COOKIE}={old}") as late:
                assert late.set_cookies[COOKIE].value != old, "the name of a worker that is gone is never used again"


async def replaced(server: Server, victim: int, survivor: int) -> None:
    """Wait until new sessions reach a worker that is neither of the two."""
    async with asyncio.timeout(60):
        while True:
            async with Session(server.url) as tab:
                if pid(await tab.run()) not in (victim, survivor):
                    return
            await asyncio.sleep(0.05)


async def test_all_workers_take_over_what_is_saved(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text((directory / "app.py").read_text())
    with run_server("app:app", tmp_path, command="dev", streamlit_workers=2) as server:
        async with one_each(server) as tabs:
            source = (tmp_path / "app.py").read_text()
            (tmp_path / "app.py").write_text(source.replace('f"run ', 'f"edition 2, run '))
            for tab in tabs:
                assert (await tab.shown())[1].startswith("edition 2, run ")


async def test_nothing_is_left_of_many_workers(directory: Path) -> None:
    with run_server("app:app", directory, command="run", streamlit_workers=4) as server:
        workers = [child for child in descendants(server.process.pid) if "fluxlit.worker" in child.cmdline()]
        assert len(workers) == 4
        assert server.stop() == 0
    assert not any(psutil.pid_exists(worker.pid) for worker in workers)
