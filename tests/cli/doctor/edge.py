"""An edge in front of a server, which can be broken in many ways."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from fluxlit._internal.asgi import Message, Receive, Scope, Send
from fluxlit.proxy import Address, ReverseProxy, Upstream
from fluxlit.server.uvicorn_server import AsgiServer
from fluxlit.server.uvicorn_server import served as served_by

Fields = list[tuple[bytes, bytes]]


class Edge:
    """A well-behaved edge, which sends X-Forwarded-* headers.

    Attributes:
        url: its address.
        ask: changes a request before it goes on.
        answer: changes the headers of a response before they are sent.
        instead: answers by itself, if it returns a status, a type and a body.
    """

    def __init__(self, upstream: str, *, scheme: str = "http") -> None:
        self.url = ""
        self._upstream = upstream
        self._scheme = scheme
        self._proxy: ReverseProxy | None = None
        self.heal()

    def heal(self) -> None:
        """Break nothing."""
        self.ask: Callable[[Scope], Scope] = lambda scope: scope
        self.answer: Callable[[Scope, Message], Message] = lambda _, message: message
        self.instead: Callable[[Scope], tuple[int, str, str] | None] = lambda _: None

    async def close(self) -> None:
        """Cut the connections to the server."""
        if self._proxy is not None:
            await self._proxy.upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (own := self.instead(scope)) is not None:
            await refuse(scope, send, *own)
            return
        if self._proxy is None:
            self._proxy = ReverseProxy(Upstream(Address.parse(self._upstream)))
        host = next(value for name, value in scope["headers"] if name == b"host")
        kept = [field for field in scope["headers"] if not field[0].startswith((b"x-forwarded-", b"forwarded"))]
        forwarded = [(b"x-forwarded-host", host), (b"x-forwarded-proto", self._scheme.encode())]

        async def sending(message: Message) -> None:
            head = message["type"].endswith((".response.start", ".accept"))
            await send(self.answer(scope, message) if head else message)

        asked = self.ask({**scope, "headers": [*kept, *forwarded]})
        await self._proxy(asked, receive, sending)


async def refuse(scope: Scope, send: Send, status: int, kind: str, body: str) -> None:
    """Answer an HTTP request or a handshake."""
    prefix = "http" if scope["type"] == "http" else "websocket.http"
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.response.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body.encode()})


@contextlib.contextmanager
def served(edge: Edge, certificate: tuple[Path, Path] | None = None) -> Iterator[Edge]:
    """Serve an edge on a port of its own, in a thread."""
    secure: dict[str, Any] = {}
    if certificate is not None:
        secure = {"ssl_certfile": str(certificate[0]), "ssl_keyfile": str(certificate[1])}
    config = uvicorn.Config(
        edge,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        ws="websockets-sansio",
        server_header=False,
        **secure,
    )
    server = AsgiServer(config)
    ready = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    async def run() -> None:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await served_by(server, serving)
        ready.set()
        await serving
        await edge.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        assert ready.wait(20)
        port = server.servers[0].sockets[0].getsockname()[1]
        edge.url = f"{'https' if certificate else 'http'}://localhost:{port}"
        yield edge
    finally:
        server.should_exit = True
        thread.join(60)
