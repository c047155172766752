"""Sessions with copies that lack values, or break their page.

They begin anew, as with plain Streamlit.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from websockets import ConnectionClosed

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.streamlit_paths import STREAM
from fluxlit.sessions import SessionCopies
from fluxlit.streamlit.session_content import SessionContent
from fluxlit.testing import Server, run_server
from fluxlit.worker.resume import commit_barrier
from fluxlit.worker.resume import copying as copying_module
from fluxlit.worker.resume.copying import AWAY, BACK, Copying, content_of, groups_of
from fluxlit.worker.resume.tab_reload import RELOADED
from tests.gateway.supervisor.processes import until
from tests.sessions.servers import wait_until
from tests.support.session import Session

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SCRIPT = """
    import threading

    import streamlit as st

    state = st.session_state
    if "initialized" not in state:
        state.initialized = True
        state.clicks = 0
        state.model = threading.Lock()  # no copy can hold it
    state.clicks += 1
    st.text(f"clicks {state.clicks} {state.model.locked()}")
"""

APP = """
    import os
    import threading
    import time

    import streamlit
    from fluxlit import FluxLit, restored_session
    from fluxlit.worker.resume import copying

    app = FluxLit(title="Shop")

    def once(state):
        if "initialized" not in state:
            state.initialized = True
            state.clicks = 0
            return True
        return False

    @app.page("/", title="Init")
    def init(st):
        if once(st.session_state):
            st.session_state.model = threading.Lock()
        st.session_state.clicks += 1
        st.text(f"clicks {st.session_state.clicks} {st.session_state.model.locked()}")

    @app.page("/asking", title="Asking")
    def asking(st):
        once(st.session_state)
        back = restored_session()
        if "model" not in st.session_state:
            st.session_state.model = threading.Lock()
        st.session_state.clicks += 1
        st.text(f"clicks {st.session_state.clicks} lost {sorted(back.lost) if back else []}")

    HERE = {}

    @app.page("/process", title="Process")
    def process(st):
        # Everything can be copied, and the page still needs what only its process has.
        state = st.session_state
        if once(state):
            HERE[id(HERE)] = "handle"
            state.handle = id(HERE)
        state.clicks += 1
        st.text(f"clicks {state.clicks} {HERE[state.handle]}")

    @app.page("/whole", title="Whole")
    def whole(st):
        once(st.session_state)
        st.session_state.clicks += 1
        st.text(f"clicks {st.session_state.clicks}")

    def upgraded(st, label):
        # Its copy states that another release of Streamlit has made it.
        once(st.session_state)
        st.session_state.clicks += 1
        st.text(f"clicks {st.session_state.clicks} {st.text_input(label, 'Ada')}")
        if st.session_state.clicks == 2:
            streamlit.__version__ = "1.0"

    @app.page("/same", title="Same")
    def same(st):
        upgraded(st, "Name")

    @app.page("/renamed", title="Renamed")
    def renamed(st):
        upgraded(st, f"Name {os.getpid()}")  # the id of the widget depends on its label

    @app.page("/slow", title="Slow")
    def slow(st):
        once(st.session_state)
        time.sleep(0.4)
        st.session_state.clicks += 1
        st.text(f"clicks {st.session_state.clicks}")

    @app.page("/layout", title="Layout")
    def layout(st):
        once(st.session_state)
        st.session_state.clicks += 1
        st.text(f"clicks {st.session_state.clicks}")
        if st.session_state.clicks == 2:
            copying.LAYOUT = 2

    @app.page("/broken", title="Broken")
    def broken(st):
        once(st.session_state)
        st.session_state.clicks += 1
        st.text(f"clicks {st.session_state.clicks}")
        raise ValueError("always")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "app.py").write_text(dedent(APP))
    with run_server("app:app", folder, command="run", session_store="sqlite:///sessions.db") as running:
        yield running


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("adopted")
    (folder / "script.py").write_text(dedent(SCRIPT))
    (folder / "app.py").write_text("from fluxlit import FluxLit\napp = FluxLit(ui='script.py')\n")
    with run_server("app:app", folder, command="run", session_store="sqlite:///sessions.db") as running:
        yield running


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


async def leave(server: Server, page: str) -> str | None:
    """Run a page twice, kill its worker, and return the id of the session."""
    async with Session(server.url) as tab:
        await tab.run(page)
        assert (await tab.run(page))[0].startswith("clicks 2")
    kill_worker(server)
    return tab.id


async def run_until(tab: Session, page: str, text: str) -> None:
    """Run a page once and wait until it shows a text.

    Streamlit may join a run with the one that follows at once.
    """
    texts = await tab.run(page)
    while text not in texts:
        texts = await tab.shown()


@pytest.mark.parametrize("marks", [(), (RELOADED,)], ids=["reconnected", "reloaded"])
@pytest.mark.parametrize("kind", ["page", "script"])
async def test_a_session_with_a_value_that_cannot_be_copied_begins_anew(
    request: pytest.FixtureRequest, kind: str, marks: tuple[str, ...]
) -> None:
    server: Server = request.getfixturevalue("server" if kind == "page" else "adopted")
    session = await leave(server, "")
    logged = len(server.log())
    async with Session(server.url, resume=session, marks=marks) as again:
        assert await again.run() == ["clicks 1 False"]
        assert await again.run() == ["clicks 2 False"]
    assert server.log()[logged:].count("begins anew, as its copy lacks values: model.") == 1


async def test_a_page_that_asks_how_its_session_came_back_gets_the_other_values(server: Server) -> None:
    session = await leave(server, "asking")
    async with Session(server.url, resume=session) as again:
        assert await again.run("asking") == ["clicks 3 lost ['model']"]


async def test_a_session_whose_copy_is_whole_goes_on(server: Server) -> None:
    session = await leave(server, "whole")
    async with Session(server.url, resume=session) as again:
        assert await again.run("whole") == ["clicks 3"]


async def test_a_restored_session_that_raises_in_its_first_run_begins_anew(server: Server) -> None:
    session = await leave(server, "process")
    logged = len(server.log())
    async with Session(server.url, resume=session) as again:
        await run_until(again, "process", "clicks 1 handle")
        assert await again.run("process") == ["clicks 2 handle"]
    assert server.log()[logged:].count("A restored session raised in its first run. It begins anew.") == 1


async def test_a_copy_of_another_release_of_streamlit_is_taken_with_its_widgets(server: Server) -> None:
    session = await leave(server, "same")
    logged = len(server.log())
    async with Session(server.url, resume=session) as again:
        assert await again.run("same") == ["clicks 3 Ada"]
    assert "begins anew" not in server.log()[logged:]


async def test_or_not_at_all_if_that_identifies_widgets_in_another_way(server: Server) -> None:
    session = await leave(server, "renamed")
    logged = len(server.log())
    async with Session(server.url, resume=session) as again:
        await run_until(again, "renamed", "clicks 1 Ada")
    assert server.log()[logged:].count("does not fit: Streamlit 1.0, which copied it, identifies widgets in") == 1


async def test_a_copy_in_another_layout_is_refused(server: Server) -> None:
    session = await leave(server, "layout")
    logged = len(server.log())
    async with Session(server.url, resume=session) as again:
        assert await again.run("layout") == ["clicks 1"]
        assert again.id != session
    assert server.log()[logged:].count("cannot be read, and a new session begins: ValueError('it has layout 2") == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
async def test_tabs_leave_a_worker_in_their_turns_so_that_it_ends_although_one_is_always_at_work(
    server: Server,
) -> None:
    loop, stop, begun = asyncio.get_running_loop(), asyncio.Event(), asyncio.get_running_loop().time()

    async def work(offset: float, seen: list[int]) -> None:
        tick, session = begun + offset, None
        while not stop.is_set():
            with contextlib.suppress(ConnectionClosed):
                async with Session(server.url, resume=session) as tab:
                    while not stop.is_set():
                        tick += 0.5 * max(1, math.ceil((loop.time() - tick) / 0.5))
                        await asyncio.sleep(tick - loop.time())
                        texts = await tab.run("slow")
                        session = tab.id
                        seen.append(int(texts[0].split()[1]))

    def replaced() -> int:
        return server.log().count("has been replaced")

    both: tuple[list[int], list[int]] = ([], [])
    logged, before, former = len(server.log()), replaced(), workers(server)
    async with asyncio.TaskGroup() as group:
        for number, seen in enumerate(both):
            group.create_task(work(0.25 * number, seen))
        await until(lambda: all(both))
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: replaced() > before)
        counts = [len(seen) for seen in both]
        await until(lambda: all(len(seen) > count for seen, count in zip(both, counts, strict=True)))
        stop.set()
    assert "work left" not in server.log()[logged:]
    assert not former & workers(server)
    assert all(later > earlier for seen in both for earlier, later in pairwise(seen)), both


async def test_what_the_browser_asks_for_meets_a_new_session_if_the_unseen_run_raises(server: Server) -> None:
    session = await leave(server, "process")
    pressed = WidgetStates()
    pressed.widgets.add(id="$$ID-0-button", trigger_value=True)
    async with Session(server.url, resume=session) as again:
        assert await again.run("process", pressed) == ["clicks 1 handle"]


async def test_a_page_that_always_raises_is_repeated_once(server: Server) -> None:
    session = await leave(server, "broken")
    async with Session(server.url, resume=session) as again:
        await run_until(again, "broken", "clicks 1")
        assert (await again.run("broken"))[0] == "clicks 2"


class Client:
    """A browser's connection; what it shows in toasts."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def write_forward_msg(self, message: Any) -> None:
        if message.WhichOneof("type") == "delta":
            self.shown.append(message.delta.new_element.toast.body)


class Manager:
    """Streamlit's manager of sessions, with one session for each browser."""

    def __init__(self) -> None:
        self.sessions: dict[str, Any] = {}

    def connect_session(self, **_: object) -> str:
        name = f"session-{len(self.sessions)}"
        self.sessions[name] = FakeSession()
        return name

    def disconnect_session(self, session_id: str) -> None:
        """The browser has left."""

    def get_session_info(self, session_id: str) -> Any:
        session = self.sessions.get(session_id)
        return None if session is None else SimpleNamespace(session=session)


class FakeSession:
    """A session of Streamlit."""

    _on_scriptrunner_event = handle_backmsg = None


class Recorded:
    """Copies of sessions that remember the addresses for which they began."""

    down = False

    def __init__(self) -> None:
        self.addresses: list[str | None] = []
        self.begun: list[Owned] = []
        self.found: object = None
        self.taken_over: list[object] = []

    def begin(self, name: str, identity: object, address: str | None = None) -> Any:
        self.addresses.append(address)
        self.begun.append(Owned(name))
        return self.begun[-1]

    async def look(self, name: str) -> object:
        return self.found

    def take_over(self, name: str, found: object, identity: object, address: str | None) -> None:
        """The copy is another user's."""
        self.taken_over.append(found)


@dataclass(eq=False)
class Owned:
    """A copy that is saved when the test lets it."""

    owner: str
    dirty: bool = False
    calls: list[Callable[[], None]] = field(default_factory=list)

    def call_when_saved(self, function: Callable[[], None]) -> bool:
        self.calls.append(function)
        return self.dirty

    def save(self) -> None:
        self.dirty = False
        for call in self.calls:
            call()


@pytest.mark.parametrize(
    ("client", "counted"),
    [(("203.0.113.9", 1), "203.0.113.9"), (("2001:db8::1", 1), "2001:db8::1"), (("127.0.0.1", 1), None), (None, None)],
    ids=["IPv4", "IPv6", "a proxy on this machine", "unknown"],
)
@pytest.mark.parametrize("offered", [["streamlit", "token"], ["streamlit", "token", "came-back"]])
async def test_the_copy_of_a_session_counts_for_the_address_of_its_visitor(
    client: tuple[str, int] | None, counted: str | None, offered: list[str]
) -> None:
    copies, manager = Recorded(), Manager()
    copying = Copying(lambda _: cast("SessionCopies", copies))
    copying.attach(SimpleNamespace(_session_mgr=manager))

    async def streamlit(scope: Scope, receive: Receive, send: Send) -> None:
        manager.connect_session(client=Client(), script_data=None, user_info={}, existing_session_id=None)

    scope = {"type": "websocket", "path": STREAM, "client": client, "subprotocols": offered}
    await copying.look_first(streamlit)(scope, nothing, nothing)
    assert copies.addresses == [counted]


async def test_an_attempt_that_was_given_up_takes_nothing_from_the_next() -> None:
    """A browser begins another one when the first takes too long."""
    copies, manager = Recorded(), Manager()
    copies.found = object()
    copying = Copying(lambda _: cast("SessionCopies", copies))
    copying.attach(SimpleNamespace(_session_mgr=manager))
    accepted: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()

    async def streamlit(scope: Scope, receive: Receive, send: Send) -> None:
        decided: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await accepted.put(decided)
        if await decided == "go on":
            manager.connect_session(client=Client(), script_data=None, user_info={}, existing_session_id="came-back")

    scope = {"type": "websocket", "path": STREAM, "client": None, "subprotocols": ["streamlit", "token", "came-back"]}
    attempts = [asyncio.ensure_future(copying.look_first(streamlit)(scope, nothing, nothing)) for _ in range(2)]
    first, second = await accepted.get(), await accepted.get()
    first.set_result("give up")
    await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
    second.set_result("go on")
    await asyncio.gather(*attempts)
    assert copies.taken_over == [copies.found]


async def test_a_slow_store_is_shown_until_it_has_the_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was late, and never away."""
    monkeypatch.setattr(commit_barrier, "HOLD_S", 0.01)
    monkeypatch.setattr(copying_module, "RENDER_S", 0)
    copies, manager, client = Recorded(), Manager(), Client()
    copying = Copying(lambda _: cast("SessionCopies", copies))
    copying.attach(SimpleNamespace(_session_mgr=manager))
    manager.connect_session(client=client, script_data=None, user_info={}, existing_session_id=None)
    copies.begun[0].dirty = True
    end = ForwardMsg()
    end.script_finished = ForwardMsg.FINISHED_SUCCESSFULLY
    for _ in range(2):
        client.write_forward_msg(end)
        await until_shown(client.shown, AWAY)
        client.shown.clear()
    copies.begun[0].save()
    await until_shown(client.shown, BACK)
    assert client.shown.count(BACK) == 1


async def until_shown(shown: list[str], text: str) -> None:
    async with asyncio.timeout(60):
        while text not in shown:  # noqa: ASYNC110 - a timer of the loop
            await asyncio.sleep(0.005)


async def nothing(*_: object) -> Any:
    """No message comes or goes."""


def test_a_copy_comes_back_as_it_was_and_one_that_lacks_something_is_refused() -> None:
    content = SessionContent({"cart": 1}, "page", {"k": "e"}, {"e": ("int_value", 5)}, sent="1-x")
    groups = {**groups_of(content), "state": {"cart": 1}}
    assert content_of(groups) == content
    del groups["page"]["serves"]
    with pytest.raises(KeyError, match="serves"):
        content_of(groups)
