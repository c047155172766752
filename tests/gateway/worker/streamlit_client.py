"""A browser tab as far as Streamlit's protocol goes.

Open, run, click, come back.
"""

from __future__ import annotations

import asyncio
import http.cookies
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

HOST = "app.example"


def http_get(path: Path, target: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """One GET over a UNIX socket."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, _, v in (field.partition(": ") for field in fields)}, body


class Tab:
    """One tab.

    Args:
        path: UNIX socket of the worker.
        mount: public mount.
        resume: last session id, to come back to that session.
        headers: sent with the handshake.
    """

    def __init__(
        self, path: Path, *, mount: str = "", resume: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self._path = path
        self._mount = mount
        self._resume = resume
        self._headers = headers or {}
        self.session_id: str | None = None

    async def __aenter__(self) -> Self:
        _, answer, _ = await asyncio.to_thread(http_get, self._path, f"{self._mount}/_stcore/health")
        token = http.cookies.SimpleCookie(answer["set-cookie"])["_streamlit_xsrf"].value
        self.socket = await websockets.unix_connect(
            str(self._path),
            f"ws://{HOST}{self._mount}/_stcore/stream",
            subprotocols=["streamlit", token, *([self._resume] if self._resume else [])],
            origin=f"https://{HOST}",
            additional_headers={"Cookie": f"_streamlit_xsrf={token}", **self._headers},
            max_size=None,
            ping_interval=None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()

    async def run(self, *, page: str = "", widgets: dict[str, Any] | None = None, query: str = "") -> Shown:
        """Ask for a run, and wait for its end."""
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        for name, value in (widgets or {}).items():
            state = message.rerun_script.widget_states.widgets.add(id=name)
            setattr(state, "trigger_value" if isinstance(value, bool) else "string_value", value)
        await self.socket.send(message.SerializeToString())
        return await self.shown()

    async def shown(self) -> Shown:
        """Wait for the end of a run that another tab has asked for."""
        messages = []
        async with asyncio.timeout(60):
            while True:
                data = await self.socket.recv()
                assert isinstance(data, bytes)
                message = ForwardMsg.FromString(data)
                messages.append(message)
                kind = message.WhichOneof("type")
                if kind == "new_session":
                    self.session_id = message.new_session.initialize.session_id
                if kind == "script_finished":
                    return Shown(messages)


class Shown:
    """What one run has put on the page."""

    def __init__(self, messages: list[ForwardMsg]) -> None:
        self.messages = messages

    @property
    def texts(self) -> list[str]:
        """Bodies of headings, texts, codes, alerts and exceptions, in order."""
        return [text for text in self._texts() if text]

    def widget(self, kind: str) -> str:
        """The id of the first widget of a kind."""
        return next(
            str(getattr(element, kind).id) for element in self._elements() if element.WhichOneof("type") == kind
        )

    def _texts(self) -> Iterator[str]:
        for element in self._elements():
            value = getattr(element, str(element.WhichOneof("type")))
            yield getattr(value, "body", "") or getattr(value, "message", "") or getattr(value, "code_text", "")

    def _elements(self) -> Iterator[Any]:
        for message in self.messages:
            if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
                yield message.delta.new_element
