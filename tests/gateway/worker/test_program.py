"""A real Streamlit in a real worker, driven over its socket."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from fluxlit.errors import WorkerError
from tests.gateway.supervisor.processes import alive, until
from tests.gateway.worker.project import COUNTER, Project, run
from tests.gateway.worker.streamlit_client import Tab, http_get


def worker_pid(backend: object) -> int:
    pid = backend.pool[0].supervisor.status.pid  # type: ignore[attr-defined]
    assert isinstance(pid, int)
    return pid


def test_a_first_run_and_a_click(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running(), Tab(project.socket) as tab:
            first = await tab.run()
            assert first.texts == ["Version 1", "count 0"]
            second = await tab.run(widgets={first.widget("button"): True})
            assert second.texts == ["Version 1", "count 1"]

    run(story)


def test_a_browser_that_comes_back_with_its_session_id_finds_its_state(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running():
            async with Tab(project.socket) as tab:
                first = await tab.run()
                await tab.run(widgets={first.widget("button"): True})
            async with Tab(project.socket, resume=tab.session_id) as again:
                assert (await again.run()).texts == ["Version 1", "count 1"]
                assert again.session_id == tab.session_id
            async with Tab(project.socket) as stranger:
                assert (await stranger.run()).texts == ["Version 1", "count 0"]

    run(story)


def test_fifty_first_visitors_at_once_all_get_the_page(project: Project) -> None:
    # A module that takes its time to import: an import during the first run would meet half of it.
    project.write("slow.py", "import time\ntime.sleep(0.5)\nWORD = 'welcome'\n")
    project.write(
        "shop.py",
        """
        from fluxlit import FluxLit
        app = FluxLit()
        import slow

        @app.page("/")
        def home(st):
            st.text(slow.WORD)
        """,
    )

    async def visit() -> list[str]:
        async with Tab(project.socket) as tab:
            return (await tab.run()).texts

    async def story() -> None:
        async with project.running():
            assert await asyncio.gather(*(visit() for _ in range(50))) == [["welcome"]] * 50

    run(story)


def test_a_page_sees_its_address_its_query_and_the_browsers_ip(project: Project) -> None:
    project.write(
        "shop.py",
        """
        from fluxlit import FluxLit
        app = FluxLit()

        @app.page("/")
        def home(st):
            st.text("home")

        @app.page("/orders")
        def orders(st):
            st.text(f"{st.context.ip_address} {st.query_params['q']}")
        """,
    )

    async def story() -> None:
        settings = {"trust_proxy": True, "forwarded_allow_ips": ["10.0.0.0/8"]}
        async with project.running(settings=settings):
            chain = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.2.3"}
            async with Tab(project.socket, headers=chain) as tab:
                assert (await tab.run(page="orders", query="q=7")).texts == ["203.0.113.9 7"]

    run(story)


def test_the_socket_belongs_to_its_owner_alone_and_the_process_leaves_no_lifeline(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running() as backend:
            assert stat.S_IMODE(project.socket.stat().st_mode) == 0o600
            assert str(Path(f"/proc/{worker_pid(backend)}/fd/0").readlink()) == os.devnull

    run(story)


def test_under_a_mount_everything_has_the_mounts_path(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running(settings={"root_path": "/apps/shop"}):
            assert (await asyncio.to_thread(http_get, project.socket, "/apps/shop/_stcore/health"))[0] == 200
            assert (await asyncio.to_thread(http_get, project.socket, "/_stcore/health"))[0] == 404
            async with Tab(project.socket, mount="/apps/shop") as tab:
                assert (await tab.run()).texts == ["Version 1", "count 0"]

    run(story)


def test_compression_is_not_negotiated_between_gateway_and_worker(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running(), Tab(project.socket) as tab:
            assert "Sec-WebSocket-Extensions" not in tab.socket.response.headers  # type: ignore[union-attr]
            assert tab.socket.subprotocol == "streamlit"

    run(story)


def test_an_adopted_script_runs_as_streamlit_run_would_run_it(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write("ui/helper.py", "WORD = 'from beside the script'")
    project.write("ui/.streamlit/secrets.toml", "key = 'a secret'")
    project.write("ui/.streamlit/config.toml", "[server]\nmaxUploadSize = 7\n")
    project.write("ui/pages/2_second.py", "import streamlit as st\nst.text('second page')")
    project.write("ui/pages/api.py", "import streamlit as st\nst.text('hidden by the API')")
    script = project.write(
        "ui/main.py",
        """
        import sys
        import streamlit as st
        import helper
        if __name__ == "__main__":
            st.text(helper.WORD)
        st.text(st.secrets["key"])
        st.text(st.get_option("server.maxUploadSize"))
        st.text(" ".join(sys.argv[1:]))
        """,
    )

    async def story() -> None:
        async with (
            project.running(target=None, script=script, arguments=("--blue",), hidden_page="/api"),
            Tab(project.socket) as tab,
        ):
            assert (await tab.run()).texts == ["from beside the script", "a secret", "7", "--blue"]
            assert (await tab.run(page="second")).texts == ["second page"]
            await until(lambda: "FLUXLIT_API_MOUNT_PATH" in caplog.text)
        assert caplog.text.count("The page /api opens by a click only") == 1

    run(story)


def test_processes_of_a_page_may_be_started_by_any_method(project: Project) -> None:
    """Of `spawn` and `forkserver`, which import the entry script, `__main__`.

    Python 3.14 has them by default.
    """
    project.write(
        "shop.py",
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from fluxlit import FluxLit
        app = FluxLit()

        def square(number):
            return number * number

        @app.page("/")
        def home(st):
            for method in ("fork", "spawn", "forkserver"):
                context = multiprocessing.get_context(method)
                with ProcessPoolExecutor(1, mp_context=context) as pool:
                    st.text(f"{method} {list(pool.map(square, [1, 2]))}")
        """,
    )

    async def story() -> None:
        async with project.running(), Tab(project.socket) as tab:
            texts = (await tab.run()).texts
        assert texts == [f"{method} [1, 4]" for method in ("fork", "spawn", "forkserver")]

    run(story)


def test_secrets_and_static_files_of_the_project_are_found_for_pages(project: Project) -> None:
    project.write(".streamlit/secrets.toml", "key = 'a secret'")
    project.write("static/hello.txt", "hello")
    project.write(
        "shop.py",
        """
        import streamlit
        from fluxlit import FluxLit
        app = FluxLit()

        @app.page("/")
        def home(st):
            st.text(streamlit.secrets["key"])
        """,
    )

    async def story() -> None:
        options = {"streamlit_options": {"server.enableStaticServing": True}}
        async with project.running(settings=options), Tab(project.socket) as tab:
            assert (await tab.run()).texts == ["a secret"]
            status, _, body = await asyncio.to_thread(http_get, project.socket, "/app/static/hello.txt")
            assert (status, body) == (200, b"hello")

    run(story)


BROKEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "a module that is not there": ({"target": "nowhere:app"}, "", "no module 'nowhere'"),
    "an attribute that is not there": ({"target": "shop:shop"}, COUNTER, "did you mean shop:app"),
    "no FluxLit object": ({"target": "shop:app"}, "app = 3", "is an int, not a FluxLit object"),
    "an exception in the module": (
        {"target": "shop:app"},
        "1 / 0",
        r"(?s)ZeroDivisionError: division by zero \(.*shop.py:1\).*\n.* each worker imports it as well: .* lifespan",
    ),
    "a mistake in the syntax": ({"target": "shop:app"}, "def def", r"shop.py:1"),
    "a module that exits": ({"target": "shop:app"}, "import sys; sys.exit(9)", "SystemExit: 9"),
    "a page that is nested": (
        {"target": "shop:app"},
        "from fluxlit import FluxLit\napp = FluxLit()\napp.page('/a/b')(lambda st: None)",
        "nested",
    ),
    "an option that Streamlit does not have": (
        {"settings": {"streamlit_options": {"server.maxUploadSiez": 3}}},
        COUNTER,
        r"server.maxUploadSiez. Did you mean server.maxUploadSize\?",
    ),
}


@pytest.mark.parametrize(("options", "code", "message"), BROKEN.values(), ids=BROKEN)
def test_a_failure_at_start_is_one_message_and_leaves_nothing(
    project: Project, options: dict[str, Any], code: str, message: str
) -> None:
    project.write("shop.py", code)

    async def story() -> None:
        backend = project.backend(**options)
        with pytest.raises(WorkerError, match=message) as raised:
            await backend.start()
        assert "Traceback" not in str(raised.value)
        assert raised.value.exit_code == 1
        assert not backend.readiness().ready

    run(story)


def test_the_traceback_is_there_for_those_who_ask(project: Project) -> None:
    project.write("shop.py", "1 / 0")

    async def story() -> None:
        with pytest.raises(WorkerError, match="Traceback"):
            await project.backend(settings={"log_level": "debug"}).start()

    run(story)


def test_a_script_that_is_gone_is_named(project: Project) -> None:
    async def story() -> None:
        script = project.root / "gone.py"
        with pytest.raises(WorkerError, match=r"gone\.py does not exist"):
            await project.backend(target=None, script=script).start()

    run(story)


def test_a_killed_worker_is_back_with_the_page(project: Project) -> None:
    project.write("shop.py", COUNTER)

    async def story() -> None:
        async with project.running() as backend:
            first = worker_pid(backend)
            os.kill(first, signal.SIGKILL)
            await until(lambda: "SIGKILL" in backend.readiness().detail)
            assert not backend.readiness().ready
            await until(lambda: backend.readiness().ready, timeout_s=60)
            assert backend.restarts == 1
            async with Tab(project.socket) as tab:
                assert (await tab.run()).texts == ["Version 1", "count 0"]

    run(story)


def test_stop_ends_a_worker_with_open_sessions_and_running_scripts_in_time(project: Project) -> None:
    project.write(
        "shop.py",
        """
        import time
        from fluxlit import FluxLit
        app = FluxLit()

        @app.page("/")
        def home(st):
            st.text("begins")
            while True:
                time.sleep(0.01)
        """,
    )

    async def story() -> None:
        async with project.running() as backend:
            pid = worker_pid(backend)
            async with Tab(project.socket) as tab:
                running = asyncio.create_task(tab.run())
                await asyncio.sleep(0)
                await asyncio.wait_for(backend.stop(), 30)
                assert not alive(pid)
                running.cancel()

    run(story)


def test_log_records_and_prints_of_pages_reach_the_gateways_log(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write(
        "shop.py",
        """
        import logging
        from fluxlit import FluxLit
        app = FluxLit()

        @app.page("/")
        def home(st):
            logging.getLogger("shop.orders").warning("stock is %s", "low")
            print("printed")
            raise ValueError("a fault in the page")
        """,
    )
    caplog.set_level("INFO")

    async def story() -> None:
        async with project.running(), Tab(project.socket) as tab:
            await tab.run()
            await until(lambda: "printed" in caplog.text)
        records = {record.name: record for record in caplog.records}
        assert records["shop.orders"].getMessage() == "stock is low"
        assert records["shop.orders"].levelname == "WARNING"
        faults = [
            record for record in caplog.records if "a fault in the page" in (record.exc_text or record.getMessage())
        ]
        assert len(faults) == 1, "written once, as one record with its traceback"

    run(story)
