"""The services of a Compose file as processes: edge, replicas and Redis."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import httpx
import pytest

from fluxlit_deploy.description import Project
from fluxlit_deploy.generators import generate
from fluxlit_deploy.options import EDGES, Edge, Options
from tests.deploy.compose.reader import SECRETS, load
from tests.deploy.compose.room import Room, opened
from tests.deploy.projects import DEPENDENCIES
from tests.integration.sessions.test_replicas import Tab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

APP = """
    import os

    from fluxlit import FluxLit

    app = FluxLit(title="Counter", root_path="/portal")

    @app.api.get("/who")
    def who() -> str:
        return os.environ["FLUXLIT_GATEWAY_PORT"]

    @app.page("/")
    def home(st, session):
        if st.button("Click"):
            session.change("clicks", lambda clicks: clicks + 1, default=0)
        st.text(str(session.get("clicks", 0)))
        st.text("counter")
"""


def files_of(edge: Edge) -> dict[str, str]:
    given, settings = DEPENDENCIES["uv"], {"root_path": "/portal"}
    project = Project("portal", "Counter", "app:app", dependencies=given, settings=settings)
    return {str(file.path): file.text for file in generate(project, Options(compose=True, edge=edge))}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a short path, for sockets."""
    found = Path(tempfile.mkdtemp(prefix="flx"))
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def replicas(folder: Path) -> Iterator[Room]:
    """Redis and two replicas, without an edge."""
    (folder / "project").mkdir()
    (folder / "project" / "app.py").write_text(dedent(APP))
    files = files_of("nginx")
    found = load(files["compose.yaml"], SECRETS, "replicas")
    with opened(found, files, folder, folder / "project") as room:
        room.up("app")
        room.up("app-2")
        yield room


def behind(replicas: Room, edge: Edge, stack: contextlib.ExitStack, *profiles: str) -> Room:
    """The same replicas behind an edge."""
    files = files_of(edge)
    found = load(files["compose.yaml"], SECRETS, *profiles)
    there = {name: each for name, each in replicas.running.items() if name in found["services"]}
    room = replace(
        replicas,
        found=found,
        files=files,
        running=there,
        ports={name: port for name, port in replicas.ports.items() if name in there},
    )
    stack.callback(lambda: room.down("edge") if "edge" in room.running else None)
    return room


def entrance(room: Room) -> str:
    """Start the edge, and return its address once it has found the replicas.

    Traefik accepts connections before it knows its routes, and asks a second later whether a replica is healthy. Until
    then it asks for those that are not there too, for as long as this machine's name server takes to say so.
    """
    url = f"{room.url(room.up('edge'))}/portal"
    deadline, fine = time.monotonic() + 60, 0
    while fine < 10:
        assert time.monotonic() < deadline
        fine = fine + 1 if _answers(f"{url}/api/healthz") else 0
    return url


def _answers(url: str) -> bool:
    """Whether a client without a cookie gets a response of any replica."""
    with contextlib.suppress(httpx.TimeoutException):
        return httpx.get(url, trust_env=False, verify=False, timeout=60).status_code == 200
    return False


def who(url: str) -> str:
    """Which replica a new visitor gets."""
    with httpx.Client(trust_env=False, verify=False, timeout=60) as client:
        answer = client.get(f"{url}/api/who")
        assert answer.status_code == 200, answer.text
        return str(answer.json())


@pytest.mark.parametrize("edge", EDGES)
def test_a_page_comes_through_the_edge_from_either_replica(edge: Edge, replicas: Room) -> None:
    with contextlib.ExitStack() as stack:
        room = behind(replicas, edge, stack, "replicas")
        url = entrance(room)

        assert {who(url) for _ in range(40)} == {str(replicas.ports[name]) for name in ("app", "app-2")}
        assert asyncio.run(clicks(url, 2)) == ["2", "counter"]


@pytest.mark.parametrize("edge", EDGES)
def test_without_the_profile_the_edge_gets_by_with_one(edge: Edge, replicas: Room) -> None:
    with contextlib.ExitStack() as stack:
        room = behind(replicas, edge, stack)
        if edge == "nginx":
            # What a newer nginx learns from Docker's name server: there is no such container.
            path = "edge/compose/nginx/site.conf"
            room.files = {**room.files, path: room.files[path].replace("    server app-2:8000 resolve;\n", "")}
        url = entrance(room)

        assert {who(url) for _ in range(20)} == {str(replicas.ports["app"])}
        assert asyncio.run(clicks(url, 1)) == ["1", "counter"]


async def clicks(url: str, count: int) -> list[str]:
    """Open the page and click; what it shows then."""
    async with Tab(url) as tab:
        await tab.run()
        for _ in range(count - 1):
            await tab.click()
        return await tab.click()


def test_a_killed_replica_takes_nobodys_session_along(replicas: Room) -> None:
    with contextlib.ExitStack() as stack:
        room = behind(replicas, "nginx", stack, "replicas")
        url = entrance(room)

        query = asyncio.run(_killed_in_between(room, url))

        assert query
        room.up("app-2")
    replicas.running["app-2"] = room.running["app-2"]


async def _killed_in_between(room: Room, url: str) -> str:
    people = [Tab(url) for _ in range(6)]
    queries = []
    for tab in people:
        async with tab:
            await tab.run()
            assert (await tab.click())[0] == "1"
            queries.append(tab.query)
    assert room.down("app-2", signal.SIGKILL) == -signal.SIGKILL
    for query in queries:
        async with Tab(url, query=query) as tab:
            assert (await tab.run(query=query))[0] == "1"
            assert (await tab.click())[0] == "2"
    return queries[0]


def test_redis_asks_for_its_password(replicas: Room) -> None:
    service, _ = replicas.running["redis"]
    service.environ["REDISCLI_AUTH"] = "wrong"

    assert not service.healthy()
    service.environ["REDISCLI_AUTH"] = SECRETS["REDIS_PASSWORD"]
    assert service.healthy()
