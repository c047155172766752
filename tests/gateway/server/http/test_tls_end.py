"""The end of a server that has idle clients with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.server.serve import configuration
from fluxlit.server.sockets.tls import Tls
from fluxlit.server.uvicorn_server import AsgiServer, served
from fluxlit.settings import Settings
from tests.gateway.server.sockets.certificates import make_certificate

pytestmark = pytest.mark.anyio

BODY = bytes(16 << 20)
"""More than the buffers of both systems take."""


@contextlib.asynccontextmanager
async def ended(folder: Path, body: bytes) -> AsyncIterator[ssl.SSLSocket]:
    """A client that has asked, and reads nothing while the server stops."""

    async def application(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    certificate, key = make_certificate(folder, "idle")
    settings = Settings(log_level="critical", uvicorn_graceful_shutdown_timeout_s=60)
    listener = socket.create_server(("127.0.0.1", 0))
    server = AsgiServer(configuration(application, settings, Tls(str(certificate), str(key))))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await served(server, serving)
    context = ssl.create_default_context(cafile=str(certificate))
    with await asyncio.to_thread(connect, context, listener.getsockname()[1]) as client:
        await asyncio.to_thread(client.sendall, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await asyncio.to_thread(client.recv, 12)
        assert head == b"HTTP/1.1 200"
        server.should_exit = True
        yield client
        async with asyncio.timeout(20):  # a close_notify would be waited for during 30 s
            await serving


def connect(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 60), server_hostname="localhost")


async def test_an_idle_client_does_not_delay_the_end(tmp_path: Path) -> None:
    async with ended(tmp_path, b"short"):
        pass


async def test_a_slow_client_gets_its_response(tmp_path: Path) -> None:
    async with ended(tmp_path, BODY) as client:
        await asyncio.sleep(1)  # several looks at the queue, which is full
        assert await asyncio.to_thread(read_all, client) >= len(BODY)


def read_all(client: ssl.SSLSocket) -> int:
    count = 0
    while data := client.recv(1 << 16):
        count += len(data)
    return count
