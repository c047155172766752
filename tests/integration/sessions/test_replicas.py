"""Two replicas behind a balancer without affinity, and one Redis.

One replica is killed while people click.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import websockets
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates

from fluxlit.testing import Server, run_server
from fluxlit_sessions import open_store
from tests.integration.edges.engines import answers, program
from tests.sessions.servers import RedisServer
from tests.support.ports import free_port
from tests.support.processes import background, clean_environ
from tests.support.session import Session

pytestmark = pytest.mark.anyio

PEOPLE = 20
CLICKS = 8
NAMES = ("one", "two")
EARLY = PEOPLE * CLICKS // 3

APP = """
    import os

    from fluxlit import FluxLit

    app = FluxLit(title="Counter")

    @app.page("/")
    def home(st, session):
        if st.button("Click"):
            session.change("clicks", lambda clicks: clicks + 1, default=0)
        st.text(str(session.get("clicks", 0)))
        st.text(os.environ["REPLICA"])
"""

NGINX = """
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    upstream replicas {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""


@contextlib.contextmanager
def round_robin(replicas: list[Server], root: Path) -> Iterator[str]:
    """An nginx that gives each new connection to the next replica.

    Its address.
    """
    port = free_port()
    servers = " ".join(f"server {urlsplit(replica.url).netloc};" for replica in replicas)
    config = root / "nginx.conf"
    config.write_text(NGINX.format(root=root, servers=servers, port=port))
    command = [program("nginx"), "-e", "stderr", "-p", str(root), "-c", str(config)]
    with (
        background(command, cwd=root, environ=clean_environ()) as process,
        httpx.Client(trust_env=False, timeout=60) as client,
    ):
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while not answers(client, f"{url}/api/healthz"):
            assert time.monotonic() < deadline, "".join(process.output)
            time.sleep(0.02)
        yield url
        process.process.terminate()
        process.process.wait(5)


@dataclass
class Tab(Session):
    """A tab that notes what a browser would.

    The address that the server has set, and the button on the page.
    """

    query: str = ""
    button: str = ""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        receive = self._socket.recv

        async def noting() -> Any:
            data = await receive()
            message = ForwardMsg.FromString(data)
            if message.WhichOneof("type") == "page_info_changed":
                self.query = message.page_info_changed.query_string
            elif message.WhichOneof("type") == "delta" and message.delta.new_element.HasField("button"):
                self.button = message.delta.new_element.button.id
            return data

        self._socket.recv = noting
        return self

    async def click(self) -> list[str]:
        pressed = WidgetStates()
        pressed.widgets.add(id=self.button, trigger_value=True)
        return await self.run(widgets=pressed, query=self.query, timeout=60)


@dataclass
class Person:
    """A person who clicks a number of times.

    They click again only after looking that it did not count.

    Attributes:
        url: the balancer's address.
        together: all wait here after the first click. Who has no id yet cannot come back with it: a first click
            with a lost response counts in a session that is never found again.
        seen: clicks that the page has shown as counted.
        query: the address as it was last.
        reconnects: how often the connection was lost.
        lost: clicks that were shown as counted and then were not.
        duplicated: clicks that counted twice.
        replica: who has answered last.
    """

    url: str
    together: asyncio.Barrier
    seen: int = 0
    query: str = ""
    reconnects: int = -1
    lost: int = 0
    duplicated: int = 0
    replica: str = ""

    async def click_all(self) -> None:
        doubt = False
        while self.seen < CLICKS:
            try:
                async with Tab(self.url, query=self.query) as tab:
                    self.reconnects += 1
                    self.look(await tab.run(query=self.query), most=self.seen + doubt)
                    while self.seen < CLICKS:
                        doubt = True
                        self.look(await tab.click(), most=self.seen + 1)
                        doubt, self.query = False, tab.query
                        if self.seen == 1:
                            await self.together.wait()
            except (OSError, TimeoutError, httpx.HTTPError, KeyError, websockets.WebSocketException):
                await asyncio.sleep(0.05)  # as a browser does before it connects again

    def look(self, texts: list[str], *, most: int) -> None:
        count, self.replica = int(texts[0]), texts[1]
        self.lost += max(0, self.seen - count)
        self.duplicated += max(0, count - most)
        self.seen = count


async def test_nothing_is_lost_or_counted_twice_when_a_replica_dies(redis_server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(dedent(APP))
    with contextlib.ExitStack() as stack:
        replicas = [
            stack.enter_context(
                run_server(
                    "app:app",
                    tmp_path,
                    command="run",
                    environment={"REPLICA": name},
                    session_store=f"{redis_server.url}?namespace=replicas",
                    restore_sessions=False,  # those of st.session_state would be counted too
                )
            )
            for name in NAMES
        ]
        url = stack.enter_context(round_robin(replicas, tmp_path))
        together = asyncio.Barrier(PEOPLE)
        people = [Person(url, together) for _ in range(PEOPLE)]
        clicking = asyncio.gather(*(person.click_all() for person in people))
        async with asyncio.timeout(60):
            while sum(person.seen for person in people) < EARLY:  # noqa: ASYNC110 - by many tasks
                await asyncio.sleep(0.01)
            # Two connections for each person and two replicas: one may happen to have all of them.
            clicking_on = [person for person in people if person.seen < CLICKS - 1]
            busiest, _ = Counter(person.replica for person in clicking_on).most_common(1)[0]
            replicas[NAMES.index(busiest)].kill()
            victims = [person for person in clicking_on if person.replica == busiest]
            killed_at = sum(person.seen for person in people)
            await clicking
        with open_store(redis_server.url, namespace="replicas") as store:
            ids = [parse_qs(person.query)["fluxlit_sid"][0] for person in people]
            sessions = [store.read(each) for each in ids]
            stored = [0 if session is None else session.data["clicks"] for session in sessions]
            count = store.count()

    lost = sum(person.lost for person in people) + sum(max(0, CLICKS - clicks) for clicks in stored)
    duplicated = sum(person.duplicated for person in people) + sum(max(0, clicks - CLICKS) for clicks in stored)
    print(
        f"\n{PEOPLE} people, {sum(stored)} clicks stored, replica killed after {killed_at}, "
        f"{sum(person.reconnects for person in people)} reconnects, {lost} lost, {duplicated} duplicated"
    )
    assert (lost, duplicated, count) == (0, 0, PEOPLE)
    assert victims
    assert [person for person in victims if person.replica == busiest or not person.reconnects] == []
