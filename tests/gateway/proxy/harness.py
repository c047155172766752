"""A scripted upstream, the proxy under uvicorn, and a client.

All of them in one event loop, and both ends in bytes.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvicorn

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.websocket_tunnel import TUNNEL
from fluxlit.proxy import Address, ProxyLimits, ReverseProxy, Upstream
from fluxlit.server.http.request_head import HttpLimits
from fluxlit.server.serve import configuration
from fluxlit.server.uvicorn_server import AsgiServer, served
from fluxlit.settings import Settings

DEADLINE = 60.0

WAY = "tunnel"
"""How WebSockets pass: as a tunnel, or as a relay as under other servers."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Field = tuple[bytes, bytes]


@dataclass
class Message:
    """A request or a response as it stood on the wire."""

    line: bytes
    fields: list[Field]
    body: bytes = b""
    trailers: list[Field] = field(default_factory=list)

    @property
    def method(self) -> bytes:
        return self.line.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    @property
    def status(self) -> int:
        return int(self.line.split(b" ")[1])

    def all(self, name: bytes) -> list[bytes]:
        """The values of a field, in their order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def names(self) -> list[bytes]:
        return [name.lower() for name, _ in self.fields]


class End:
    """One end of a connection that speaks HTTP/1.1 in bytes.

    It reads no more than it has to.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Write, and wait until the system has taken it."""
        self.writer.write(data)
        async with asyncio.timeout(DEADLINE):
            await self.writer.drain()

    async def head(self) -> Message:
        """Read a start line and the fields after it."""
        async with asyncio.timeout(DEADLINE):
            line, *rest = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        return Message(line, [split(text) for text in rest])

    async def body(self, message: Message) -> bytes:
        """Read the body that a head announces.

        One without any length lasts as long as the connection.
        """
        if message.all(b"transfer-encoding") == [b"chunked"]:
            chunks = []
            while chunk := await self.chunk(message):
                chunks.append(chunk)
            return b"".join(chunks)
        lengths = message.all(b"content-length")
        async with asyncio.timeout(DEADLINE):
            if lengths:
                return await self.reader.readexactly(int(lengths[0]))
            return await self.reader.read()

    async def chunk(self, message: Message | None = None) -> bytes:
        """Read one chunk.

        The last one is empty, and its trailers go into the message.
        """
        async with asyncio.timeout(DEADLINE):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            if size:
                return (await self.reader.readexactly(size + 2))[:-2]
            while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
                assert message is not None
                message.trailers.append(split(line[:-2]))
            return b""

    async def rest(self) -> bytes:
        """All bytes until the other side closes; nothing more if it resets."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def pause(self) -> None:
        """Take nothing more from the system."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    def resume(self) -> None:
        """Take it again."""
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


class Peer(End):
    """The upstream's end."""

    async def request(self) -> Message:
        """Read a whole request."""
        message = await self.head()
        if message.all(b"content-length") or message.all(b"transfer-encoding"):
            message.body = await self.body(message)
        return message

    async def gone(self) -> None:
        """Wait until the proxy has closed the connection."""
        await self.rest()


class Client(End):
    """The client's end."""

    async def answer(self, method: str = "GET") -> Message:
        """Read a whole response; interim ones are not skipped."""
        message = await self.head()
        if method != "HEAD" and message.status not in (204, 304) and message.status >= 200:
            message.body = await self.body(message)
        return message

    async def ask(self, data: bytes, method: str = "GET") -> Message:
        """Send a request and read its response."""
        await self.send(data)
        return await self.answer(method)

    async def ask_head(self, data: bytes) -> Message:
        """Send a request and read the head of its response."""
        await self.send(data)
        return await self.head()


def split(line: bytes) -> Field:
    name, _, value = line.partition(b":")
    return name, value.strip()


def get(target: str = "/", *fields: str) -> bytes:
    """The bytes of a GET."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: public.example", *fields, "", ""]).encode("latin-1")


def post(body: bytes, *fields: str) -> bytes:
    """The bytes of a POST with a length."""
    head = "\r\n".join(["POST / HTTP/1.1", "Host: public.example", f"Content-Length: {len(body)}", *fields, "", ""])
    return head.encode("latin-1") + body


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Stage:
    """Everything of one scene."""

    port: int
    upstream: Upstream
    address: Path
    connections: list[Peer] = field(default_factory=list)
    seen: list[Message] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    server: PromptServer = field(init=False)

    async def client(self, **options: Any) -> Client:
        """Connect to the proxy."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        self.clients.append(client)
        return client


class PromptServer(AsgiServer):
    """A server that stops at once, not at its next look at the clock."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until it has to stop."""
        await self.on_tick(0)
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening; connections are gone by then."""
        for server in self.servers:
            server.close()
            await server.wait_closed()
        for listener in sockets or []:
            listener.close()


@asynccontextmanager
async def served_by_uvicorn(
    application: Application, settings: Settings | None = None, http_limits: HttpLimits | None = None, **changes: Any
) -> AsyncIterator[PromptServer]:
    """Serve an application as `fluxlit run` does."""
    config = configuration(application, settings or Settings(log_level="critical"), limits=http_limits)
    for name, value in changes.items():
        setattr(config, name, value)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = PromptServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await served(server, serving)
    try:
        yield server
    finally:
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        left = set(server.server_state.tasks)
        if left:
            _, left = await asyncio.wait(left, timeout=DEADLINE)
        server.force_exit = True
        server.stopping.set()
        await serving
        assert not left, "an exchange outlived its client"


@asynccontextmanager
async def stage(
    script: Script,
    *,
    limits: ProxyLimits | None = None,
    wrap: Callable[[ReverseProxy], Application] | None = None,
    settings: Settings | None = None,
    **changes: Any,
) -> AsyncIterator[Stage]:
    """Set a scene.

    Args:
        script: what the upstream does with each connection.
        limits: of the proxy.
        wrap: puts another application around the proxy.
        settings: of the server in front.
        changes: attributes of uvicorn's configuration that differ.
    """
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        path = Path(folder, "up")
        upstream = Upstream(Address.unix(str(path)), limits=limits)
        scene = Stage(0, upstream, path)
        actors: set[asyncio.Task[None]] = set()

        async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            scene.connections.append(peer)
            try:
                await script(peer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # The proxy has gone, which tests see from what else did not happen.
            except Exception as error:  # noqa: BLE001 - raised again at the end of the scene
                scene.failures.append(error)
            finally:
                peer.close()

        def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(act(reader, writer))
            actors.add(task)
            task.add_done_callback(actors.discard)

        theatre = await asyncio.start_unix_server(enter, path, limit=2**20)
        proxy = ReverseProxy(upstream)
        application = wrap(proxy) if wrap else proxy
        if WAY == "relay":
            application = without_tunnel(application)
        try:
            async with served_by_uvicorn(application, settings, **changes) as server:
                scene.server = server
                scene.port = server.servers[0].sockets[0].getsockname()[1]
                yield scene
                for client in scene.clients:
                    client.abort()
        finally:
            for client in scene.clients:
                client.abort()
            await upstream.close()
            theatre.close()
            for actor in list(actors):
                actor.cancel()
            await asyncio.gather(*actors, return_exceptions=True)
            await theatre.wait_closed()
        if scene.failures:
            raise scene.failures[0]


def without_tunnel(application: Application) -> Application:
    """An application that sees no offer of a tunnel."""

    def relayed(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return application({key: value for key, value in scope.items() if key != TUNNEL}, receive, send)

    return cast("Application", relayed)


def answering(*answers: bytes) -> tuple[Script, list[Message]]:
    """A script that reads whole requests and answers each in turn.

    The last response is for all that follow. Returns what it has read as well.
    """
    seen: list[Message] = []

    async def script(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                seen.append(await peer.request())
                await peer.send(answers[min(len(seen), len(answers)) - 1])

    return script, seen


async def until(condition: Callable[[], object], within: float = DEADLINE) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        await asyncio.sleep(0.002)
