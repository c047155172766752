"""Asking an ASGI application without a server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send

Field = tuple[bytes, bytes]


@dataclass
class Answer:
    status: int = 0
    headers: list[Field] = field(default_factory=list)
    body: bytes = b""

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        return json.loads(self.body)


class Recorder:
    """An application that keeps the scopes it is given and answers 200."""

    def __init__(self, name: str = "") -> None:
        self.name = name.encode()
        self.scopes: list[Scope] = []

    @property
    def last(self) -> Scope:
        return self.scopes[-1]

    def field(self, name: bytes) -> list[bytes]:
        """The values of a field in the last scope."""
        return [value for key, value in self.last["headers"] if key == name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.name})


def scope_of(
    target: str = "/",
    *fields: Field,
    kind: str = "http",
    client: tuple[str, int] | None = ("203.0.113.9", 4711),
    **changes: Any,
) -> dict[str, Any]:
    """The scope of a request as uvicorn makes it."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "server": ("127.0.0.1", 8000),
        "client": client,
        "root_path": "",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"public.example"), *fields],
        "state": {},
    }
    scope |= (
        {"method": "GET"} if kind == "http" else {"subprotocols": [], "extensions": {"websocket.http.response": {}}}
    )
    return scope | changes


async def ask(application: Application, scope: Scope) -> Answer:
    """The whole response of an application.

    A WebSocket that was accepted has status 101.
    """
    answer = Answer()

    async def receive() -> Message:
        return {"type": "websocket.connect"} if scope["type"] == "websocket" else {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"].endswith("response.start"):
            answer.status, answer.headers = message["status"], list(message.get("headers", ()))
        elif message["type"].endswith("response.body"):
            answer.body += message.get("body", b"")
        elif message["type"] == "websocket.accept":
            answer.status, answer.headers = 101, list(message.get("headers", ()))

    await application(scope, receive, send)
    return answer
