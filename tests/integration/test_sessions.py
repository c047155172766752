"""Many visitors at once, and one who comes back.

At the level of Streamlit's own protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from fluxlit.testing import Server, run_server
from tests.support.session import Session

pytestmark = pytest.mark.anyio

VISITORS = 50

APP = """
    import time

    time.sleep(0.3)  # an import that takes its time, as those of real applications do
    from fluxlit import FluxLit

    app = FluxLit(title="Counter")

    @app.api.get("/answer")
    def answer() -> int:
        return 42

    @app.page("/")
    def home(st, client):
        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        st.title(f"The number is {client.get('/answer').json()}")
        st.text(f"run {st.session_state['runs']}")
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(dedent(APP))
    return tmp_path


@pytest.fixture
def server(directory: Path) -> Iterator[Server]:
    with run_server("app:app", directory) as server:
        yield server


async def visit(url: str, start: asyncio.Event) -> list[str]:
    async with Session(url) as session:
        await start.wait()
        return await session.run()


async def test_fifty_first_visitors_at_the_same_moment_all_get_the_page(server: Server) -> None:
    start = asyncio.Event()
    visits = [asyncio.create_task(visit(server.url, start)) for _ in range(VISITORS)]
    start.set()

    assert await asyncio.gather(*visits) == [["The number is 42", "run 1"]] * VISITORS


async def test_a_visitor_who_reconnects_finds_the_session_again(server: Server) -> None:
    async with Session(server.url) as first:
        await first.run()
        assert await first.run() == ["The number is 42", "run 2"]

    async with Session(server.url, resume=first.id) as again:
        assert await again.run() == ["The number is 42", "run 3"]
        assert again.id == first.id


async def test_an_unknown_session_id_starts_afresh(server: Server) -> None:
    async with Session(server.url, resume="00000000-0000-0000-0000-000000000000") as session:
        assert await session.run() == ["The number is 42", "run 1"]
        assert session.id != session.resume
