"""What holds for the UI wherever it runs, and for each place alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import websockets

from fluxlit.backends import Backend, build_backend
from fluxlit.backends.embedded import EmbeddedBackend
from fluxlit.backends.external import ExternalBackend
from fluxlit.backends.workers import WorkersBackend
from fluxlit.errors import SettingsError, WorkerError
from fluxlit.settings import resolve
from tests.gateway.server.sockets.certificates import make_certificate
from tests.gateway.supervisor.processes import until
from tests.gateway.worker.project import COUNTER, Project, run
from tests.gateway.worker.streamlit_client import Tab, http_get


@asynccontextmanager
async def served(backend: Backend, path: Path) -> AsyncIterator[None]:
    """The backend under uvicorn on a UNIX socket."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await backend(scope, receive, send)

    config = uvicorn.Config(application, uds=str(path), lifespan="off", log_config=None, ws="websockets-sansio")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def place(project: Project, **flags: Any) -> Backend:
    return build_backend(project.facts(), resolve(flags=flags, environ={}, directory=project.root))


def test_the_mode_chooses_the_backend(project: Project) -> None:
    assert isinstance(place(project), WorkersBackend)
    assert isinstance(place(project, streamlit_mode="embedded"), EmbeddedBackend)
    assert isinstance(place(project, streamlit_upstream="http://127.0.0.1:8501"), ExternalBackend)


@pytest.mark.parametrize("key", ["server.enableCORS", "server.enableXsrfProtection", "server.port"])
def test_options_that_fluxlit_owns_are_refused_before_anything_starts(project: Project, key: str) -> None:
    with pytest.raises(SettingsError, match=key) as raised:
        place(project, streamlit_options={key: False})
    assert raised.value.problems[0].setting == "streamlit_options"


def test_building_and_starting_workers_does_not_import_streamlit_here(project: Project) -> None:
    project.write("shop.py", COUNTER)
    code = f"""
        import asyncio, sys
        from pathlib import Path
        from fluxlit.settings import resolve
        from fluxlit.backends import UiFacts, build_backend

        async def main():
            facts = UiFacts(app=None, target="shop:app", script=None, run_directory=Path({str(project.sockets)!r}))
            backend = build_backend(facts, resolve(environ={{}}))
            await backend.start()
            assert backend.readiness().ready
            await backend.stop()

        asyncio.run(main())
        assert "streamlit" not in sys.modules
    """
    project.write("check.py", code)
    subprocess.run([sys.executable, "check.py"], cwd=project.root, check=True, timeout=60)


def test_while_the_worker_is_down_browsers_get_a_page_that_tries_again(project: Project) -> None:
    project.write("shop.py", COUNTER)
    gate = project.sockets / "gate.sock"

    async def story() -> None:
        backend = project.backend()
        async with served(backend, gate):
            html = {"Accept": "text/html", "X-Request-ID": "abc-1"}
            status, headers, body = await asyncio.to_thread(http_get, gate, "/", html)
            assert (status, headers["retry-after"]) == (503, "1")
            assert b"location.reload()" in body
            assert b"abc-1" in body
            status, headers, body = await asyncio.to_thread(http_get, gate, "/media/x.png")
            assert (status, headers["content-type"]) == (503, "text/plain; charset=utf-8")
            status, _, body = await asyncio.to_thread(http_get, gate, "/_stcore/host-config")
            assert (status, json.loads(body)) == (503, "The application is starting. This page goes on by itself.")
            with pytest.raises(Exception, match="HTTP 503"):
                await _connect(gate)
            await backend.start()
            try:
                assert (await asyncio.to_thread(http_get, gate, "/", html))[0] == 200
                async with Tab(gate) as tab:
                    assert (await tab.run()).texts == ["Version 1", "count 0"]
            finally:
                await backend.stop()
            assert (await asyncio.to_thread(http_get, gate, "/", html))[0] == 503

    run(story)


async def _connect(path: Path) -> None:

    async with websockets.unix_connect(str(path), "ws://app.example/_stcore/stream"):
        pass


def test_a_worker_killed_under_load_costs_503_at_worst(project: Project) -> None:
    project.write("shop.py", COUNTER)
    gate = project.sockets / "gate.sock"

    async def story() -> None:
        async with project.running() as backend, served(backend, gate):
            pid = backend.pool[0].supervisor.status.pid
            assert pid is not None
            seen: list[int] = []
            os.kill(pid, signal.SIGKILL)
            while not backend.readiness().ready or backend.restarts == 0:
                seen.append((await asyncio.to_thread(http_get, gate, "/_stcore/health"))[0])
            assert set(seen) <= {200, 503}
            assert 503 in seen
            assert (await asyncio.to_thread(http_get, gate, "/_stcore/health"))[0] == 200

    run(story)


def test_an_external_ui_may_come_later_and_go(project: Project) -> None:
    async def story() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            backend = place(project, streamlit_upstream=f"http://127.0.0.1:{port}", root_path="/shop")
            await backend.start()
            assert not backend.readiness().ready
            assert str(port) in backend.readiness().detail
            asked: list[str] = []

            async def answer(scope: Any, _receive: Any, send: Any) -> None:
                asked.append(scope["path"])
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"ok"})

            server = uvicorn.Server(uvicorn.Config(answer, lifespan="off", log_config=None))
            serving = asyncio.create_task(server._serve([listener]))
            await until(lambda: backend.readiness().ready)
            assert asked[0] == "/shop/_stcore/health"
            server.should_exit = True
            await serving
            await until(lambda: not backend.readiness().ready)
            with pytest.raises(WorkerError, match="cannot reload"):
                await backend.reload(frozenset())
            await backend.stop()

    run(story)


def test_an_external_ui_with_tls_is_verified(project: Project, tmp_path: Path) -> None:
    """Requests and WebSockets, with an authority of our own.

    Another name or authority is refused.
    """
    certificate, key = make_certificate(tmp_path, "ui")
    stranger, _ = make_certificate(tmp_path, "stranger")

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": f"{scope['scheme']} {scope['path']}"})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": scope["scheme"].encode()})

    async def story() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            config = uvicorn.Config(
                answer, lifespan="off", log_config=None, ssl_certfile=str(certificate), ssl_keyfile=str(key)
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server._serve([listener]))
            base = {"streamlit_upstream": f"https://127.0.0.1:{port}", "streamlit_upstream_server_name": "localhost"}
            gate = project.sockets / "gate.sock"
            backend = place(project, **base, streamlit_upstream_ca_file=str(certificate))
            async with started(backend), served(backend, gate):
                await until(lambda: backend.readiness().ready)
                assert (await asyncio.to_thread(http_get, gate, "/x"))[2] == b"https"
                async with websockets.unix_connect(str(gate), "ws://app.example/_stcore/stream") as opened:
                    assert await opened.recv() == "wss /_stcore/stream"
            for wrong in (
                {**base},
                {**base, "streamlit_upstream_ca_file": str(stranger)},
                {**base, "streamlit_upstream_ca_file": str(certificate), "streamlit_upstream_server_name": "other"},
            ):
                backend = place(project, **wrong)
                async with started(backend), served(backend, gate):
                    assert "CERTIFICATE_VERIFY_FAILED" in backend.readiness().detail
                    assert (await asyncio.to_thread(http_get, gate, "/x"))[0] == 502
            server.should_exit = True
            await serving

    run(story)


@asynccontextmanager
async def started(backend: Backend) -> AsyncIterator[None]:
    await backend.start()
    try:
        yield
    finally:
        await backend.stop()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_is_named(project: Project, content: str | None) -> None:
    file = project.root / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(WorkerError, match=r"streamlit_upstream_ca_file .*ca\.pem cannot be used"):
        place(project, streamlit_upstream="https://ui", streamlit_upstream_ca_file=str(file))


EMBEDDED = """
import asyncio, logging, sys
from pathlib import Path

import anyio.to_thread
import shop
from fluxlit.settings import resolve
from fluxlit.backends import UiFacts, build_backend
from tests.gateway.worker.streamlit_client import Tab, http_get
from tests.gateway.backends.test_backend import served

MARK = "the process's own"
sockets = Path(sys.argv[1])
gate = sockets / "gate.sock"

async def life(resolved):
    before = [(l.level, l.propagate, list(l.handlers)) for l in map(logging.getLogger, ("uvicorn", "uvicorn.error"))]
    backend = build_backend(UiFacts(shop.app, "shop:app", None, sockets), resolved)
    async with served(backend, gate):
        status, _, _ = await asyncio.to_thread(http_get, gate, "/")
        assert status == 503, status
        await backend.start()
        assert backend.readiness().ready
        assert anyio.to_thread.current_default_thread_limiter().total_tokens == 17
        after = [(l.level, l.propagate, list(l.handlers)) for l in map(logging.getLogger, ("uvicorn", "uvicorn.error"))]
        assert after == before
        async with Tab(gate, mount="/apps/shop") as tab:
            shown = await tab.run()
            assert shown.texts == ["Version 1", "count 0"], shown.texts
            assert sys.modules["__main__"].MARK == "the process's own"
            shown = await tab.run(widgets={shown.widget("button"): True})
            assert shown.texts == ["Version 1", "count 1"], shown.texts
        async with Tab(gate, mount="/apps/shop", resume=tab.session_id) as tab:
            assert (await tab.run()).texts == ["Version 1", "count 1"]
            line = await backend.reload(frozenset())
            assert line == "1 open page rerun", line
            assert (await tab.shown()).texts == ["Version 1", "count 1"]
        await backend.stop()
        assert not backend.readiness().ready

async def main():
    anyio.to_thread.current_default_thread_limiter().total_tokens = 17
    resolved = resolve(flags={"streamlit_mode": "embedded", "root_path": "/apps/shop"}, environ={})
    await life(resolved)
    await life(resolved)  # a second start in one process works

asyncio.run(main())
print("fine")
"""


def test_embedded_serves_in_this_process_and_puts_back_what_it_can(project: Project) -> None:
    project.write("shop.py", COUNTER)
    project.write("check.py", EMBEDDED)
    repository = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "check.py", str(project.sockets)],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert result.stdout == "fine\n", result.stderr
