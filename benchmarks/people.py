"""Simulated people who click in Streamlit pages and check each count.

What a page has shown as done must never be undone or done twice.

Each has a tab that speaks Streamlit's protocol as a browser does: it offers the id of its session when it connects
again, keeps the address that the server has set, and presses a button by the id that the page has given it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PATIENCE_S = 40.0
LOST_CONNECTION = (OSError, TimeoutError, websockets.WebSocketException, KeyError, ValueError)

PAGE = """
import os

from fluxlit import FluxLit

app = FluxLit(title="Clicks")

def press():
    import streamlit as st
    st.session_state.clicks = st.session_state.get("clicks", 0) + 1

@app.page("/")
def home(st, session):
    if st.button("Click", on_click=press):
        session.change("clicks", lambda clicks: clicks + 1, default=0)
    st.text(str(st.session_state.get("clicks", 0)))
    st.text(str(session.get("clicks", 0)))
    st.text(os.environ.get("REPLICA", ""))
"""
"""Counts clicks in `st.session_state`, by a callback, and in the session of the URL."""


@dataclass
class Tab:
    """One connection.

    Attributes:
        url: where to.
        id: of the session, offered if there is one.
        query: the address, as the server has set it.
        button: id of the page's button.
        toasts: messages of the page beside its content.
        headers: of the handshake.
    """

    url: str
    id: str = ""
    query: str = ""
    button: str = ""
    toasts: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    _socket: Any = None

    async def __aenter__(self) -> Self:
        offered = [websockets.Subprotocol(part) for part in ("streamlit", "none", self.id) if part]
        address = f"{self.url.replace('http', 'ws', 1)}/_stcore/stream"
        self._socket = await websockets.connect(
            address,
            additional_headers=self.headers,
            subprotocols=offered,
            max_size=None,
            proxy=None,
            ping_interval=None,  # as browsers do
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def run(self, *, pressed: bool = False) -> list[str]:
        """Run the page; its texts."""
        ask = BackMsg()
        ask.rerun_script.query_string = self.query
        if pressed:
            ask.rerun_script.widget_states.widgets.add(id=self.button, trigger_value=True)
        texts: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            await self._socket.send(ask.SerializeToString())
            while not self._is_end(ForwardMsg.FromString(await self._socket.recv()), texts):
                pass
        return texts

    async def heard(self, text: str) -> None:
        """Wait until the page shows a message beside its content."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(text in toast for toast in self.toasts):
                self._is_end(ForwardMsg.FromString(await self._socket.recv()), [])

    def _is_end(self, message: Any, texts: list[str]) -> bool:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.id = message.new_session.initialize.session_id
            texts.clear()
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            if element.HasField("button"):
                self.button = element.button.id
            elif element.HasField("text"):
                texts.append(element.text.body)
            elif element.HasField("toast"):
                self.toasts.append(element.toast.body)
        return bool(kind == "script_finished")


@dataclass
class Count:
    """One counter as a person sees it.

    Attributes:
        seen: what the page has shown last, in a run that has ended.
        lost: what was shown as counted and then was not.
        duplicated: what counted more than once.
    """

    seen: int = 0
    lost: int = 0
    duplicated: int = 0

    def look(self, found: int, doubt: int) -> None:
        """Compare with the count seen before; `doubt` clicks may have counted."""
        self.lost += max(0, self.seen - found)
        self.duplicated += max(0, found - self.seen - doubt)
        self.seen = found


@dataclass
class Person:
    """A person who clicks until stopped, and reconnects when necessary.

    After a reconnect, the person checks the count before clicking again.

    Attributes:
        url: where to connect now.
        counts: `st.session_state`, and the session of the URL.
        clicks: how often the button was pressed.
        connections: how often a connection was made.
        replica: the replica that responded last.
        longest: seconds of the longest wait from a press to its result, outages included.
        toasts: messages of the page beside its content.
        headers: of each handshake, such as those of an edge.
    """

    url: Callable[[], str]
    pause: float = 0.2
    counts: tuple[Count, Count] = field(default_factory=lambda: (Count(), Count()))
    clicks: int = 0
    connections: int = 0
    strange: int = 0
    replica: str = ""
    longest: float = 0.0
    toasts: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    tab: Tab = field(default_factory=lambda: Tab(""))

    async def click_until(self, stop: asyncio.Event) -> None:
        """Click on."""
        doubt, pressed_at = 0, time.monotonic()
        while not stop.is_set() or doubt:
            try:
                async with self.connect() as tab:
                    self.connections += 1
                    self.look(await tab.run(), doubt)
                    doubt = self.answered(pressed_at) if doubt else 0
                    while not stop.is_set():
                        await asyncio.sleep(self.pause)
                        self.clicks, doubt, pressed_at = self.clicks + 1, 1, time.monotonic()
                        self.look(await tab.run(pressed=True), 1)
                        doubt = self.answered(pressed_at)
            except LOST_CONNECTION:
                await asyncio.sleep(0.05)  # as a browser does before it connects again

    def connect(self) -> Tab:
        """The tab, with all that it remembers."""
        before = self.tab
        self.tab = Tab(self.url(), before.id, before.query, before.button, self.toasts, self.headers)
        return self.tab

    def answered(self, since: float) -> int:
        """Note how long it took; no click is in doubt any more."""
        self.longest = max(self.longest, time.monotonic() - since)
        return 0

    def look(self, texts: list[str], doubt: int) -> None:
        """Compare what the page shows with what it has shown before."""
        state, session, self.replica = texts
        for count, found in zip(self.counts, (state, session), strict=True):
            count.look(int(found), doubt)

    async def look_again(self) -> None:
        """Connect once more, wherever that leads, and look."""
        before = self.tab.id
        for _ in range(200):
            try:
                async with self.connect() as tab:
                    self.look(await tab.run(), 0)
                    self.strange += tab.id != before
                    return
            except LOST_CONNECTION:
                await asyncio.sleep(0.05)
        raise RuntimeError("no replica responds any more")
