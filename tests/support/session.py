"""A browser's half of Streamlit's protocol, without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, Self

import httpx
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


@dataclass
class Session:
    """One tab.

    Attributes:
        url: the application's address.
        resume: session id to come back to.
        cookie: sent with the handshake, ``name=value``.
        headers: more of the handshake.
        marks: more subprotocols, behind the session's id.
        stalls: the tab reads next to nothing: a reader that has gone to sleep.
        id: the id of the session, once it has run.
        set_cookies: the cookies that the accepted handshake has set.
    """

    url: str
    resume: str | None = None
    cookie: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    stalls: bool = False
    id: str | None = None
    set_cookies: SimpleCookie = field(default_factory=SimpleCookie)
    xsrf: str = ""
    _socket: Any = field(default=None, repr=False)

    async def __aenter__(self) -> Self:
        async with httpx.AsyncClient(trust_env=False, timeout=60, verify=False) as http:
            health = await http.get(f"{self.url}/_stcore/health")
        self.xsrf = token = health.cookies["_streamlit_xsrf"]
        offered = ("streamlit", token, self.resume, *self.marks)
        cookies = "; ".join(each for each in (f"_streamlit_xsrf={token}", self.cookie) if each)
        self._socket = await websockets.connect(
            f"{self.url.replace('http', 'ws', 1)}/_stcore/stream",
            subprotocols=[websockets.Subprotocol(part) for part in offered if part],
            origin=websockets.Origin(self.url),
            additional_headers={"Cookie": cookies, **self.headers},
            max_size=None,
            max_queue=1 if self.stalls else 16,
            open_timeout=60,
            proxy=None,
        )
        for value in self._socket.response.headers.get_all("Set-Cookie"):
            self.set_cookies.load(value)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def closed(self, timeout: float = 60) -> int:
        """Wait until the server closes; the code."""
        async with asyncio.timeout(timeout):
            await self._socket.wait_closed()
        code: int = self._socket.close_code
        return code

    async def run(self, page: str = "", widgets: Any = None, query: str = "", timeout: float = 60) -> list[str]:
        """Run the script; every text that it shows, in order."""
        await self.ask(page, widgets, query)
        return await self.shown(timeout)

    async def sounds(self, page: str = "") -> list[str]:
        """Run the script; the addresses of the sounds that it offers."""
        await self.ask(page)
        return list(_sounds(await self._received(60)))

    async def ask(self, page: str = "", widgets: Any = None, query: str = "") -> None:
        """Ask for a run of the script, and do not wait for it."""
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        if widgets is not None:
            message.rerun_script.widget_states.CopyFrom(widgets)
        await self._socket.send(message.SerializeToString())

    async def shown(self, timeout: float = 60) -> list[str]:
        """Wait for the end of a run; return what it shows, in order."""
        return list(_texts(await self._received(timeout)))

    async def _received(self, timeout: float) -> list[ForwardMsg]:
        received: list[ForwardMsg] = []
        async with asyncio.timeout(timeout):
            while not received or received[-1].WhichOneof("type") != "script_finished":
                received.append(ForwardMsg.FromString(await self._socket.recv()))
                if received[-1].WhichOneof("type") == "new_session":
                    self.id = received[-1].new_session.initialize.session_id
        return received


def _sounds(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            if element.WhichOneof("type") == "audio":
                yield element.audio.url


def _texts(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            kind = element.WhichOneof("type")
            if kind in ("alert", "markdown", "text", "heading"):
                yield getattr(element, kind).body
            elif kind == "exception":
                yield f"exception: {element.exception.message}"
