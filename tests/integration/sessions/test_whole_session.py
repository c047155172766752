"""The whole session comes back.

Two replicas, no affinity, one Redis, and one replica killed while people click.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Self

import httpx
import psutil
import pytest
import websockets
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates

from fluxlit.testing import Server, run_server
from fluxlit.worker.resume.tab_reload import RELOADED
from fluxlit_sessions import open_store
from tests.integration.sessions.test_replicas import round_robin
from tests.sessions.servers import RedisServer, wait_until, watched
from tests.support.session import Session

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

OUTAGE_S = float(os.environ.get("FLUXLIT_TEST_OUTAGE_S", "1"))
"""How long the store is away; `FLUXLIT_TEST_OUTAGE_S=30 hatch test tests/integration/sessions -k under_load`."""

PEOPLE = 50
CLICKS = 6
NAMES = ("one", "two")

APP = """
    import os

    from fluxlit import FluxLit, restored_session
    from fluxlit_auth import PlainFields, TrustedProxy

    behind_proxy = TrustedProxy(PlainFields(user="X-Who")) if "PROXY" in os.environ else None
    app = FluxLit(title="Counter", auth=behind_proxy)

    def press():
        st_state()["presses"] = st_state().get("presses", 0) + 1

    def slid():
        st_state().setdefault("slides", []).append(st_state()["slider"])

    def st_state():
        import streamlit as st
        return st.session_state

    @app.page("/", public=True)
    def home(st):
        state = st.session_state
        state.setdefault("clicks", 0)
        state.setdefault("slider", 3)
        state.setdefault("model", object())
        st.button("Press", on_click=press)
        if st.button("Click"):
            state.clicks += 1
        value = st.slider("Slider", 0, 10, key="slider", on_change=slid)
        chosen = st.selectbox("Kind", [object, int, str], format_func=lambda kind: kind.__name__)
        st.text(str(state.clicks))
        st.text(os.environ.get("REPLICA", ""))
        st.text(str(state.get("presses", 0)))
        st.text(f"{value} {state.get('slides', [])} {chosen.__name__}")
        back = restored_session()
        st.text("" if back is None else f"lost {sorted(back.lost)}")
"""


@dataclass
class Tab(Session):
    """A tab that knows the widgets on its page.

    It sends their values with each message, as a browser does.
    """

    elements: dict[str, str] = field(default_factory=dict)
    toasts: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=lambda: {"Slider": 3, "Kind": "object"})

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        receive = self._socket.recv

        async def noting() -> Any:
            data = await receive()
            self.note(data)
            return data

        self._socket.recv = noting
        return self

    def note(self, data: bytes) -> None:
        message = ForwardMsg.FromString(data)
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            kind = element.WhichOneof("type")
            if kind in ("button", "slider", "selectbox"):
                found = getattr(element, kind)
                self.elements[found.label] = found.id
            elif kind == "toast":
                self.toasts.append(element.toast.body)

    async def send(self, pressed: str | None = None, **values: Any) -> list[str]:
        self.values.update(values)
        states = WidgetStates()
        if self.elements:
            states.widgets.add(id=self.elements["Slider"]).double_array_value.data.append(self.values["Slider"])
            states.widgets.add(id=self.elements["Kind"], string_value=self.values["Kind"])
        if pressed is not None:
            states.widgets.add(id=self.elements[pressed], trigger_value=True)
        return await self.run(widgets=states, timeout=60)


@dataclass
class Person:
    """A person who clicks a number of times.

    They click again only after looking that it did not count.

    Attributes:
        url: where to connect.
        clicks: how many.
        seen: clicks that the page has shown as counted in a run that has ended.
        reconnects: how often the connection was lost.
        lost: clicks that were shown as counted and then were not.
        duplicated: clicks that counted twice.
        strange: sessions that came back under another id.
        replica: who has answered last.
    """

    url: Callable[[], str]
    clicks: int = CLICKS
    seen: int = 0
    reconnects: int = -1
    lost: int = 0
    duplicated: int = 0
    strange: int = 0
    replica: str = ""
    elements: dict[str, str] = field(default_factory=dict)

    async def click_all(self) -> None:
        doubt, session_id = False, None
        while self.seen < self.clicks:
            try:
                async with Tab(self.url(), resume=session_id, elements=self.elements) as tab:
                    self.reconnects += 1
                    if session_id is None:
                        self.look(await tab.send(), most=0)
                    elif doubt:
                        self.look(await tab.send(), most=self.seen + 1)
                        doubt = False
                    while self.seen < self.clicks:
                        self.strange += session_id not in (None, tab.id or session_id)
                        session_id = tab.id or session_id
                        doubt = True
                        # Every other click has a callback; after a failover it is often the first thing that happens.
                        self.look(await tab.send("Press" if self.seen % 2 else "Click"), most=self.seen + 1)
                        doubt = False
                        await asyncio.sleep(0.01)
            except (OSError, TimeoutError, httpx.HTTPError, KeyError, websockets.WebSocketException):
                await asyncio.sleep(0.05)  # as a browser does before it connects again

    def look(self, texts: list[str], *, most: int) -> None:
        count, self.replica = int(texts[0]) + int(texts[2]), texts[1]
        self.lost += max(0, self.seen - count)
        self.duplicated += max(0, count - most)
        self.seen = count


def workers(server: Server) -> set[psutil.Process]:
    found = set()
    for process in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "fluxlit.worker" in process.cmdline():
                found.add(process)
    return found


def kill_worker(server: Server) -> None:
    """Kill it, and wait for the one that takes its place."""
    begun = server.log().count("Streamlit worker 1 is ready")
    for process in workers(server):
        process.kill()
    wait_until(lambda: server.log().count("Streamlit worker 1 is ready") > begun)
    server.wait_ready()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counter")
    (path / "app.py").write_text(dedent(APP))
    return path


async def test_no_click_is_lost_or_counted_twice_when_a_replica_dies(
    redis_server: RedisServer, directory: Path, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        store = f"{redis_server.url}?namespace=whole"
        replicas = [
            stack.enter_context(
                run_server("app:app", directory, command="run", environment={"REPLICA": name}, session_store=store)
            )
            for name in NAMES
        ]
        url = stack.enter_context(round_robin(replicas, tmp_path))
        people = [Person(lambda: url) for _ in range(PEOPLE)]
        clicking = asyncio.gather(*(person.click_all() for person in people))
        async with asyncio.timeout(80):
            while sum(person.seen for person in people) < PEOPLE * CLICKS // 3:  # noqa: ASYNC110 - by many tasks
                await asyncio.sleep(0.01)
            clicking_on = [person for person in people if person.seen < CLICKS - 1]
            busiest, _ = Counter(person.replica for person in clicking_on).most_common(1)[0]
            replicas[NAMES.index(busiest)].kill()
            victims = [person for person in clicking_on if person.replica == busiest]
            await clicking
    lost, duplicated = sum(person.lost for person in people), sum(person.duplicated for person in people)
    print(
        f"\n{PEOPLE} people, {sum(person.seen for person in people)} clicks, "
        f"{sum(person.reconnects for person in people)} reconnects, {lost} lost, {duplicated} duplicated"
    )
    assert (lost, duplicated, sum(person.strange for person in people)) == (0, 0, 0)
    assert victims
    assert all(person.reconnects and person.replica != busiest for person in victims)


@pytest.fixture(scope="module")
def server(directory: Path) -> Any:
    with run_server(
        "app:app",
        directory,
        command="run",
        session_store="sqlite:///sessions.db",
        environment={"PROXY": "trusted"},
        secret_key="k" * 32,
        trust_proxy=True,
    ) as server:
        yield server


async def test_state_widgets_and_callbacks_are_as_before_on_another_worker(server: Server, directory: Path) -> None:
    async with Tab(server.url) as tab:
        await tab.send()
        await tab.send("Press")
        await tab.send("Click")
        before = await tab.send(Slider=7, Kind="int")
        assert before[2:5] == ["1", "7 [7] int", ""]
        await saved(tab)
    kill_worker(server)
    async with Tab(server.url, resume=tab.id, elements=tab.elements, values=tab.values) as again:
        assert (await again.send("Press"))[2:5] == ["2", "7 [7] int", "lost ['model']"]
        assert (await again.send(Slider=8))[3] == "8 [7, 8] int"
        assert again.id == tab.id
        await saved(again)
    kill_worker(server)
    async with Tab(server.url, resume=tab.id, elements=tab.elements, values=again.values) as third:
        texts = await third.send(Slider=9, Kind="str")
        assert (texts[0], texts[2:4]) == ("1", ["2", "9 [7, 8, 9] str"])
    named = server.log().count("st.session_state['model'] is not in the copy")
    assert 3 <= named <= server.log().count("Streamlit worker 1 is ready")  # once in each worker at most
    assert (tab.id or "-") not in server.log()
    with open_store(f"sqlite:///{directory}/sessions.db") as store:
        assert store.count() == 0, "an operator's listing shows the application's sessions, not copies of tabs"
    with open_store(f"sqlite:///{directory}/sessions.db", namespace="default-copies") as copies:
        assert copies.count() > 0


async def test_somebody_else_who_knows_the_id_gets_a_session_of_their_own(server: Server) -> None:
    async with Tab(server.url, headers={"X-Who": "ada"}) as ada:
        await ada.send()
        assert (await ada.send("Click"))[0] == "1"
        await saved(ada)
    kill_worker(server)
    for who in ({"X-Who": "bob"}, {}):
        async with Tab(server.url, resume=ada.id, headers=who) as other:
            assert (await other.send())[0] == "0"
            assert other.id != ada.id
    async with Tab(server.url, resume=ada.id, headers={"X-Who": "ada"}, elements=ada.elements) as again:
        assert (await again.send("Click"))[0] == "2"
        assert again.id == ada.id


async def test_an_id_that_no_server_has_given_out_is_not_adopted(server: Server) -> None:
    for invented in ("00000000-0000-4000-8000-000000000000", "x"):
        async with Tab(server.url, resume=invented) as tab:
            await tab.send()
            assert tab.id != invented


@pytest.fixture(scope="module")
def replicas(redis_server: RedisServer, directory: Path) -> Any:
    # Of a session that cannot be looked up in time, a replica goes on with what it remembers.
    store = f"{redis_server.url}?namespace=pair&read_budget=2&write_budget=0.5"
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                run_server("app:app", directory, command="run", environment={"REPLICA": name}, session_store=store)
            )
            for name in NAMES
        ]


async def test_a_replica_does_not_go_on_with_what_it_remembers_of_a_session_that_was_elsewhere(
    replicas: list[Server],
) -> None:
    session_id, elements = None, dict[str, str]()
    for turn in range(6):
        replica = replicas[turn % 2]
        async with Tab(replica.url, resume=session_id, elements=elements) as tab:
            if session_id is None:
                await tab.send()
            texts = await tab.send("Press")
            assert (texts[1], texts[2]) == (NAMES[turn % 2], str(turn + 1))
            assert session_id in (None, tab.id)
            session_id = tab.id
            await saved(tab)


async def test_a_reload_that_reaches_another_replica_goes_on_with_the_session(replicas: list[Server]) -> None:
    async with Tab(replicas[0].url) as tab:
        await tab.send()
        await tab.send("Press")
        assert (await tab.send(Slider=7, Kind="int"))[2:4] == ["1", "7 [7] int"]
        await saved(tab)
    async with Tab(replicas[1].url, resume=tab.id, marks=(RELOADED,)) as again:  # it knows of no widget
        texts = await again.send()
        assert texts[1:4] == ["two", "1", "7 [7] int"], "no callback was called for what was chosen before"
        assert again.id == tab.id
        again.values = tab.values
        assert (await again.send("Press"))[2:4] == ["2", "7 [7] int"]


async def test_a_tab_that_is_left_open_learns_that_its_session_went_on_elsewhere(replicas: list[Server]) -> None:
    async with Tab(replicas[0].url) as first:
        await first.send()
        await first.send("Press")
        await saved(first)
        async with Tab(replicas[1].url, resume=first.id, elements=first.elements) as second:
            assert (await second.send("Press"))[2] == "2"
            await saved(second)
            await first.ask(widgets=pressed(first, "Press"))
            assert await first.closed() == 1012  # its browser would connect again, and find what the second has saved
            assert (await second.send("Press"))[2] == "3"


async def test_a_session_that_nobody_can_look_up_is_not_begun_anew(
    redis_server: RedisServer, replicas: list[Server]
) -> None:
    async with Tab(replicas[0].url) as tab:
        await tab.send()
        assert (await tab.send("Click"))[0] == "1"
        await saved(tab)
    redis_server.kill()
    try:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with Tab(replicas[1].url, resume=tab.id):
                pass
        assert refused.value.response.status_code == 503
        async with Tab(replicas[1].url) as stranger:  # who has no session yet can have one
            assert (await stranger.send())[0] == "0"
        async with Tab(replicas[0].url, resume=tab.id, elements=tab.elements) as here:
            assert (await here.send("Click"))[0] == "2"
            assert "does not answer" in here.toasts[0]
    finally:
        redis_server.start()
    # What was never said to be saved may be missing: both replicas have something to write now.
    found = await click_after_an_outage(replicas[1].url, tab)
    assert found in (2, 3)
    assert await click_after_an_outage(replicas[0].url, tab) == found + 1


async def click_after_an_outage(url: str, tab: Tab) -> int:
    """Come back to a session, and click until it is saved; the clicks.

    A server that finds that another one has the session closes with 1012, and a browser connects again.
    """
    async with asyncio.timeout(60):
        while True:
            again = Tab(url, resume=tab.id, elements=tab.elements)
            with contextlib.suppress(websockets.ConnectionClosed):
                async with again:
                    texts = await again.send("Click")
                    await saved(again)
                    assert again.id == tab.id
                    return int(texts[0])
            assert await again.closed() == 1012


async def test_in_the_gateways_own_process_a_restart_takes_no_session_along(directory: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/embedded.db"
    with run_server("app:app", directory, command="run", session_store=store, streamlit_mode="embedded") as server:
        page = await asyncio.to_thread(httpx.get, server.url, trust_env=False)
        assert RELOADED in page.text, "its page has the script for reloads"
        async with Tab(server.url) as tab:
            await tab.send()
            await tab.send("Press")
            await saved(tab)
        server.kill()
    with run_server("app:app", directory, command="run", session_store=store, streamlit_mode="embedded") as server:
        async with Tab(server.url, resume=tab.id, elements=tab.elements) as again:
            assert (await again.send("Press"))[2] == "2"


async def test_a_store_that_restarts_under_load_loses_nothing(
    redis_server: RedisServer, replicas: list[Server]
) -> None:
    async def restart(counts: list[int]) -> None:
        await asyncio.to_thread(redis_server.kill)
        try:
            await asyncio.sleep(OUTAGE_S)
            await reached(counts, max(counts) + 5)  # without waiting for it
        finally:
            await asyncio.to_thread(redis_server.start)

    await survive(replicas, restart)


async def test_a_failover_of_the_store_under_load_loses_nothing(directory: Path) -> None:
    async def fail_over(_counts: list[int]) -> None:
        await asyncio.to_thread(group.primary.kill)
        await asyncio.to_thread(group.return_as_replica)

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flx")))
        group = stack.enter_context(watched(folder))
        # A client with a confirmed write must find it on the replica that takes over.
        store = f"{group.url}?replicas=1&namespace=failover&read_budget=0.3&write_budget=0.5"
        server = stack.enter_context(run_server("app:app", directory, command="run", session_store=store))
        await survive([server, server], fail_over)


async def survive(servers: list[Server], trouble: Callable[[list[int]], Awaitable[None]]) -> None:
    """Click in many tabs while there is trouble with the store.

    Then kill the worker and look what is left.
    """
    counts = [0] * 20
    stop = asyncio.Event()

    async def click(number: int, tab: Tab) -> None:
        while not stop.is_set():
            counts[number] = int((await tab.send("Click"))[0])
            await asyncio.sleep(0.02)

    async with contextlib.AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(Tab(servers[0].url)) for _ in counts]
        await asyncio.gather(*(tab.send() for tab in tabs))
        clicking = asyncio.gather(*(click(number, tab) for number, tab in enumerate(tabs)))
        await reached(counts, 3)
        await trouble(counts)
        await reached(counts, max(counts) + 3)
        stop.set()
        await clicking
        async with asyncio.timeout(60):
            await asyncio.gather(*(saved(tab) for tab in tabs))
        assert any(tab.toasts for tab in tabs)
    kill_worker(servers[0])
    left = []
    for tab in tabs:
        async with Tab(servers[1].url, resume=tab.id, elements=tab.elements) as again:
            left.append(int((await again.send("Click"))[0]) - 1)
    lost = sum(max(0, count - found) for count, found in zip(counts, left, strict=True))
    duplicated = sum(max(0, found - count) for count, found in zip(counts, left, strict=True))
    print(f"\n{len(counts)} people, {sum(counts)} clicks, {lost} lost, {duplicated} duplicated")
    assert (lost, duplicated) == (0, 0), f"{counts} {left}"


async def test_replicas_are_replaced_one_by_one_while_people_click(redis_server: RedisServer, directory: Path) -> None:
    store = f"{redis_server.url}?namespace=rolling"

    def start(stack: contextlib.ExitStack, name: str) -> Server:
        return stack.enter_context(
            run_server("app:app", directory, command="run", environment={"REPLICA": name}, session_store=store)
        )

    with contextlib.ExitStack() as old, contextlib.ExitStack() as new:
        urls = [start(old, "old").url]
        people = [Person(lambda: urls[-1], clicks=1_000_000) for _ in range(10)]
        clicking = asyncio.gather(*(person.click_all() for person in people))
        await reached_by(people, 3)
        urls.append((await asyncio.to_thread(start, new, "new")).url)
        await asyncio.to_thread(old.close)  # SIGTERM: connections are closed with 1012
        for person in people:
            person.clicks = person.seen + 5
        await clicking
    assert [(person.lost, person.duplicated, person.strange) for person in people] == [(0, 0, 0)] * len(people)
    assert {person.replica for person in people} == {"new"}


async def reached_by(people: list[Person], clicks: int) -> None:
    async with asyncio.timeout(60):
        while min(person.seen for person in people) < clicks:  # noqa: ASYNC110 - by many tasks
            await asyncio.sleep(0.02)


def pressed(tab: Tab, name: str) -> WidgetStates:
    states = WidgetStates()
    states.widgets.add(id=tab.elements[name], trigger_value=True)
    return states


async def reached(counts: list[int], number: int) -> None:
    async with asyncio.timeout(60):
        while min(counts) < number:  # noqa: ASYNC110 - by many tasks
            await asyncio.sleep(0.02)


async def saved(tab: Tab) -> None:
    """Wait until the page shows that all is saved, if it had shown otherwise."""
    while tab.toasts and "everything is saved" not in tab.toasts[-1]:
        await tab._socket.recv()
