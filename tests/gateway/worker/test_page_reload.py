"""Changed code in a running worker: new pages, old sessions."""

from __future__ import annotations

import asyncio
import textwrap

import pytest

from fluxlit.errors import WorkerError
from tests.gateway.supervisor.processes import until
from tests.gateway.worker.project import COUNTER, Project, run
from tests.gateway.worker.streamlit_client import Tab

pytestmark = pytest.mark.slow


def test_a_changed_page_shows_in_the_open_browser_and_sessions_keep_their_state(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running() as backend, Tab(project.socket) as tab, Tab(project.socket) as other:
            first = await tab.run()
            await tab.run(widgets={first.widget("button"): True})
            await other.run()
            path = project.write("shop.py", COUNTER.replace("Version 1", "Version 2"))
            line = await backend.reload(frozenset({path}))
            assert (await tab.shown()).texts == ["Version 2", "count 1"], "there was no click"
            assert (await other.shown()).texts == ["Version 2", "count 0"]
            assert "1 module reloaded" in line
            assert line.endswith("2 open pages rerun")
            assert "\n" not in line

    run(story)


def test_modules_that_the_pages_import_are_new_too(project: Project) -> None:
    project.write("stock/__init__.py", "")
    project.write("stock/words.py", "WORD = 'old'")
    project.write(
        "shop.py",
        """
        from fluxlit import FluxLit
        from stock.words import WORD
        app = FluxLit()

        @app.page("/")
        def home(st):
            st.text(WORD)
        """,
    )

    async def story() -> None:
        async with project.running() as backend, Tab(project.socket) as tab:
            assert (await tab.run()).texts == ["old"]
            project.write("stock/words.py", "WORD = 'new and longer'")
            await backend.reload(frozenset())
            assert (await tab.shown()).texts == ["new and longer"]

    run(story)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [("1 / 0", "ZeroDivisionError"), ("def def", "SyntaxError"), ("import sys; sys.exit(2)", "SystemExit")],
)
def test_a_mistake_keeps_the_old_code_serving_and_is_shown(project: Project, mistake: str, message: str) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running() as backend, Tab(project.socket) as tab:
            first = await tab.run()
            await tab.run(widgets={first.widget("button"): True})
            project.write("shop.py", mistake)
            with pytest.raises(WorkerError, match=message):
                await backend.reload(frozenset())
            shown = (await tab.shown()).texts
            assert shown[-2:] == ["Version 1", "count 1"]
            assert any(message in text for text in shown)
            project.write("shop.py", COUNTER.replace("Version 1", "Version 3"))
            await backend.reload(frozenset())
            assert (await tab.shown()).texts == ["Version 3", "count 1"]

    run(story)


def test_a_worker_that_dies_while_it_reloads_is_an_error_at_once(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running() as backend:
            project.write("shop.py", "import os\nos._exit(3)")
            with pytest.raises(WorkerError, match="ended while it reloaded"):
                await backend.reload(frozenset())

    run(story)


def test_a_reload_that_cannot_even_begin_is_an_error_at_once(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """Something that a library left among the modules cannot be looked at."""
    odd = """
    import sys
    class Odd:
        __slots__ = ()
        def __getattribute__(self, name):
            raise RuntimeError(f"no {name}")
    sys.modules["odd"] = Odd()
    """
    project.write("shop.py", textwrap.dedent(odd) + COUNTER)

    async def story() -> None:
        async with project.running() as backend:
            with pytest.raises(WorkerError, match="could not reload: its log has the error"):
                await asyncio.wait_for(backend.reload(frozenset()), 60)
            await until(lambda: "RuntimeError: no __dict__" in caplog.text)

    run(story)


def test_pages_come_and_go(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running() as backend, Tab(project.socket) as tab:
            await tab.run()
            project.write("shop.py", COUNTER + '\n@app.page("/more")\ndef more(st):\n    st.text("more")\n')
            await backend.reload(frozenset())
            await tab.shown()
            assert (await tab.run(page="more")).texts == ["more"]

    run(story)


def test_an_adopted_script_and_its_modules_are_rerun(project: Project) -> None:
    project.write("helper.py", "WORD = 'old'")
    script = project.write("main.py", "import streamlit as st\nimport helper\nst.text(helper.WORD)\n")

    async def story() -> None:
        async with project.running(target=None, script=script) as backend, Tab(project.socket) as tab:
            assert (await tab.run()).texts == ["old"]
            project.write("helper.py", "WORD = 'new and longer'")
            project.write("main.py", "import streamlit as st\nimport helper\nst.text(helper.WORD + '!')\n")
            await backend.reload(frozenset())
            assert (await tab.shown()).texts == ["new and longer!"]

    run(story)
