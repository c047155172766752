"""A rolling replacement of two replicas behind nginx under load.

With the files that `fluxlit build` writes.

The test does what Kubernetes does: a new replica first, the old one out of the edge, `preStop`, SIGTERM, and SIGKILL
never. No request may fail, no session may be lost, and no click may count twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from textwrap import dedent

import httpx
import pytest
import websockets

from fluxlit_deploy import writer
from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.description import Project
from fluxlit_deploy.edges import edge_files
from fluxlit_deploy.file import File
from fluxlit_deploy.kubernetes import manifest_files
from fluxlit_deploy.options import Options
from tests.integration.edges.engines import NGINX_CONF, program
from tests.integration.sessions.test_replicas import Tab
from tests.sessions.servers import RedisServer
from tests.support.ports import free_port
from tests.support.processes import Server, background, clean_environ

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PEOPLE = 8
GRACEFUL_S = 10
PRE_STOP_S = 2
API_S = 10

APP = """
    import asyncio

    from fluxlit import FluxLit

    app = FluxLit(title="Counter")

    @app.api.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(1)
        return "done"

    @app.api.post("/quick")
    def quick() -> str:
        return "done"

    @app.page("/")
    def home(st, session):
        if st.button("Click"):
            session.change("clicks", lambda clicks: clicks + 1, default=0)
        st.text(str(session.get("clicks", 0)))
        st.text("counter")
"""


def project(upstreams: list[str], port: int) -> Project:
    settings = {"uvicorn_graceful_shutdown_timeout_s": GRACEFUL_S}
    build = BuildTable(kubernetes={"pre_stop_s": PRE_STOP_S}, edge={"upstreams": upstreams, "port": port})
    return Project("portal", "Portal", "app:app", build=build, settings=settings)


def generated_settings() -> tuple[dict[str, str], int]:
    """The variables of the ConfigMap, and the grace period of the Deployment."""
    files = {
        file.path.name: file.text
        for file in manifest_files(project(["a:1"], 1), Options())
        if "base" in file.path.parts
    }
    lines = [line for line in files["settings.env"].splitlines() if not line.startswith("#")]
    [grace] = [line for line in files["deployment.yaml"].splitlines() if "terminationGracePeriodSeconds" in line]
    return dict(line.split("=", 1) for line in lines), int(grace.split(":")[1])


@dataclass
class Cluster:
    """What a cluster would do for this application.

    Attributes:
        root: the edge's folder.
        port: the edge's port.
        environ: the variables of each replica.
        replicas: the running ones, by address.
        ended: exit code and seconds of those that left.
    """

    root: Path
    port: int
    environ: dict[str, str]
    stack: contextlib.ExitStack
    replicas: dict[str, Server] = field(default_factory=dict)
    ended: list[tuple[int, float]] = field(default_factory=list)
    nginx: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def add(self) -> None:
        """Start a replica, and wait until it is ready."""
        command = [sys.executable, "-m", "fluxlit_cli", "run", "--host", "127.0.0.1", "--port", "0"]
        server = self.stack.enter_context(background(command, cwd=self.root, environ=clean_environ(**self.environ)))
        found = await asyncio.to_thread(server.wait_for, r"ready at http://(127\.0\.0\.1:\d+)", 60)
        self.replicas[found[1]] = server

    async def remove(self, address: str, grace_s: int) -> None:
        """Take a replica out of the edge, wait as `preStop` does, and end it."""
        server = self.replicas.pop(address)
        self.configure()
        await asyncio.sleep(PRE_STOP_S)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(server.process.wait, grace_s - PRE_STOP_S)
        self.ended.append((code, time.monotonic() - started))

    def configure(self) -> None:
        """Write the edge's configuration for these replicas, and let it be read.

        By the command's own writer, which replaces whole files: nginx may still be reading for the signal before, and
        a file that is empty for a moment is a valid configuration without any `listen`, so nginx closes its socket.
        """
        files = edge_files(project(list(self.replicas), self.port), Options(edge="nginx"))
        named = [File(PurePosixPath(file.path.name), file.text) for file in files]
        writer.write(writer.plan(named, self.root), force=True)
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX_CONF.format(root=self.root, user=user).replace("conf.d/*.conf", "site.conf")
        (self.root / "nginx.conf").write_text(text)
        if self.nginx is not None:
            self.nginx.process.send_signal(signal.SIGHUP)
            return
        command = [program("nginx"), "-e", "stderr", "-p", str(self.root), "-c", str(self.root / "nginx.conf")]
        self.nginx = self.stack.enter_context(background(command, cwd=self.root, environ=clean_environ()))

    def stop(self) -> None:
        """nginx ends its own processes."""
        if self.nginx is not None:
            self.nginx.process.terminate()
            self.nginx.process.wait(60)


@pytest.fixture
def cluster(tmp_path: Path, redis_server: RedisServer) -> Iterator[Cluster]:
    (tmp_path / "app.py").write_text(dedent(APP))
    settings, _ = generated_settings()
    # Here the edge is on this machine, and so are the replicas.
    own = {"FLUXLIT_FORWARDED_ALLOW_IPS": "127.0.0.1", "FLUXLIT_LOG_FORMAT": "text"}
    for name in ("FLUXLIT_GATEWAY_HOST", "FLUXLIT_GATEWAY_PORT"):
        del settings[name]
    secrets = {"FLUXLIT_SESSION_STORE": f"{redis_server.url}?namespace=rollout", "FLUXLIT_SECRET_KEY": "k" * 32}
    with contextlib.ExitStack() as stack:
        found = Cluster(tmp_path, free_port(), settings | own | secrets, stack)
        yield found
        found.stop()


@dataclass
class Load:
    """People and programs that use the application all the time.

    Attributes:
        answered: requests that were answered as they should.
        failed: the others, also those that the edge did not take.
    """

    url: str
    over: bool = False
    answered: int = 0
    failed: list[str] = field(default_factory=list)

    async def call(self, method: str, path: str) -> None:
        """Ask for the same, again and again, each time over a new connection."""
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as client:
            while not self.over:
                try:
                    answer = await client.request(method, f"{self.url}/api{path}")
                except httpx.HTTPError as error:
                    self.failed.append(f"{method} {path}: {type(error).__name__} {error}")
                    continue
                if answer.status_code == 200:
                    self.answered += 1
                else:
                    self.failed.append(f"{method} {path}: {answer.status_code} {answer.text[:100]}")


@dataclass
class Person:
    """A person who clicks once in a while, and reconnects as a browser does."""

    load: Load
    seen: int = 0
    query: str = ""
    connections: int = 0
    wrong: list[str] = field(default_factory=list)

    async def visit(self) -> None:
        doubt = 0
        while not self.load.over:
            try:
                async with Tab(self.load.url, query=self.query) as tab:
                    self.connections += 1
                    self.look(await tab.run(query=self.query), most=self.seen + doubt)
                    while not self.load.over:
                        doubt = 1
                        self.look(await tab.click(), most=self.seen + 1)
                        doubt, self.query = 0, tab.query
                        await asyncio.sleep(0.05)
            except (OSError, TimeoutError, httpx.HTTPError, KeyError, websockets.WebSocketException):
                await asyncio.sleep(0.05)

    def look(self, texts: list[str], *, most: int) -> None:
        count = int(texts[0])
        if not self.seen <= count <= most:
            self.wrong.append(f"{count} after {self.seen}")
        self.seen = count


@pytest.mark.timeout(600)
async def test_a_rollout_loses_no_request_and_no_session(cluster: Cluster) -> None:
    _, grace_s = generated_settings()
    assert grace_s == PRE_STOP_S + GRACEFUL_S + API_S + 10
    await cluster.add()
    await cluster.add()
    cluster.configure()
    old = list(cluster.replicas)
    load = Load(cluster.url)
    people = [Person(load) for _ in range(PEOPLE)]
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False, timeout=60) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{cluster.url}/api/readyz")).status_code == 200:
                    break
            await asyncio.sleep(0.02)
    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(person.visit())
        for method, path in (("GET", "/slow"), ("GET", "/slow"), ("POST", "/quick"), ("GET", "/readyz")):
            tasks.create_task(load.call(method, path))
        async with asyncio.timeout(60):
            while min(person.seen for person in people) < 2:  # noqa: ASYNC110  # by many tasks
                await asyncio.sleep(0.02)
        for address in old:
            await cluster.add()
            cluster.configure()
            await cluster.remove(address, grace_s)
        before = [person.seen for person in people]
        async with asyncio.timeout(60):
            while min(person.seen - was for person, was in zip(people, before, strict=True)) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        load.over = True

    print(f"\n{load.answered} requests answered, {len(load.failed)} failed; {sum(p.seen for p in people)} clicks by "
          f"{PEOPLE} people over {sum(p.connections for p in people)} connections; left: {cluster.ended}")  # fmt: skip
    assert load.failed == []
    assert [person.wrong for person in people] == [[]] * PEOPLE
    assert [code for code, _ in cluster.ended] == [0, 0]
    assert set(cluster.replicas).isdisjoint(old)
    assert max(person.connections for person in people) > 1, "no person was moved, so nothing was proven"
    assert load.answered > 20
