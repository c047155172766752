"""A browser's half of Streamlit's protocol, without a browser: many of them fit into one test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
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
        id: the id of the session, once it has run.
    """

    url: str
    resume: str | None = None
    id: str | None = None
    _socket: Any = field(default=None, repr=False)

    async def __aenter__(self) -> Self:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            health = await http.get(f"{self.url}/_stcore/health")
        token = health.cookies["_streamlit_xsrf"]
        self._socket = await websockets.connect(
            f"{self.url.replace('http', 'ws', 1)}/_stcore/stream",
            subprotocols=[websockets.Subprotocol(part) for part in ("streamlit", token, self.resume) if part],
            origin=websockets.Origin(self.url),
            additional_headers={"Cookie": f"_streamlit_xsrf={token}"},
            max_size=None,
            open_timeout=30,
            proxy=None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def run(self, page: str = "", widgets: Any = None, query: str = "", timeout: float = 60) -> list[str]:
        """Run the script; every text that it shows, in order."""
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        if widgets is not None:
            message.rerun_script.widget_states.CopyFrom(widgets)
        await self._socket.send(message.SerializeToString())
        received: list[ForwardMsg] = []
        async with asyncio.timeout(timeout):
            while not received or received[-1].WhichOneof("type") != "script_finished":
                received.append(ForwardMsg.FromString(await self._socket.recv()))
                if received[-1].WhichOneof("type") == "new_session":
                    self.id = received[-1].new_session.initialize.session_id
        return list(_texts(received))


def _texts(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            kind = element.WhichOneof("type")
            if kind in ("markdown", "text", "heading"):
                yield getattr(element, kind).body
            elif kind == "exception":
                yield f"exception: {element.exception.message}"
