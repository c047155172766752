"""What one connection may hold.

A bounded amount while it is open, and nothing afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit.server.http.request_head import HttpLimits
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import Client, PromptServer, get, post, served_by_uvicorn, until
from tests.gateway.proxy.websocket import BINARY, CLOSE, CONT, PING, TEXT, Frame, Wire, close, handshake

pytestmark = pytest.mark.anyio

MIB = 2**20
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
QUICK = Settings(
    log_level="critical",
    gateway_keep_alive_timeout_s=0.2,
    gateway_ws_ping_interval_s=0.2,
    gateway_ws_ping_timeout_s=0.2,
    gateway_ws_max_client_message_bytes=100_000,
)
HASTY = HttpLimits(head_time=0.2, body_time=0.2)


async def respond(send: Send, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds at once, fails, waits or talks, depending on the path."""
    if scope["type"] == "websocket":
        await talk(scope["path"], receive, send)
    elif scope["path"] == "/fail":
        raise ValueError("on purpose")
    elif scope["path"] == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        await respond(send)


async def talk(path: str, receive: Receive, send: Send) -> None:
    await receive()
    if path == "/refuse":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    if path == "/fail":
        raise ValueError("on purpose")
    if path == "/close":
        await send({"type": "websocket.close", "code": 1000})
    while (await receive())["type"] != "websocket.disconnect":
        pass


CLIENTS: list[Client] = []


@contextlib.asynccontextmanager
async def serving(serves: Application = application, settings: Settings = QUICK) -> AsyncIterator[PromptServer]:
    async with served_by_uvicorn(serves, settings, HASTY if settings is QUICK else None) as server:
        try:
            yield server
        finally:
            while CLIENTS:
                CLIENTS.pop().abort()


async def connect(server: PromptServer) -> Client:
    client = Client(*await asyncio.open_connection(*server.servers[0].sockets[0].getsockname()))
    CLIENTS.append(client)
    return client


Course = Callable[[Client], Awaitable[object]]


async def leave(client: Client, request: bytes) -> None:
    await client.send(request)
    client.abort()


async def websocket(client: Client, path: str, *frames: Frame) -> None:
    await client.send(handshake(target=path))
    if (await client.head()).status == 101:
        await Wire(client, mask=True).send(*frames)
        client.writer.write_eof()
        await client.rest()


COURSES: dict[str, Course] = {
    "a request": lambda client: client.ask(get("/", "Connection: close")),
    "an upload": lambda client: client.ask(post(b"x" * 1000, "Connection: close")),
    "requests in a row": lambda client: client.send(get("/1") * 5),
    "an idle connection": lambda client: client.ask(get()),
    "no request": lambda client: client.rest(),
    "half a head": lambda client: client.ask(get()[:20]),
    "half a body": lambda client: client.ask(post(b"x" * 1000).replace(b"POST /", b"POST /wait")[:-1]),
    "no valid request": lambda client: client.ask(b"nonsense\r\n\r\n"),
    "too much": lambda client: client.ask(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n"),
    "a Transfer-Encoding that is not implemented": lambda client: client.ask(
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"0\r\n\r\n"
    ),
    "trailers": lambda client: client.ask(CHUNKED + b"0\r\na: b\r\n\r\n"),
    "another upgrade": lambda client: client.ask(get("/", "Connection: Upgrade", "Upgrade: h2c")),
    "a failure": lambda client: client.ask(get("/fail")),
    "a client that leaves": lambda client: leave(client, get("/wait") + get("/2")),
    "a websocket that the client closes": lambda client: websocket(client, "/", Frame(TEXT, b"x"), close(1000)),
    "a websocket that the application closes": lambda client: websocket(client, "/close", close(1000)),
    "a websocket that is refused": lambda client: websocket(client, "/refuse"),
    "a websocket of another version": lambda client: client.ask(handshake().replace(b"Version: 13", b"Version: 7")),
    "a websocket of an application that fails": lambda client: websocket(client, "/fail"),
    "a websocket with a broken frame": lambda client: websocket(client, "/", Frame(3, b"x")),
    "a websocket with invalid text": lambda client: websocket(client, "/", Frame(TEXT, b"\xff")),
    "a websocket with half a message": lambda client: websocket(client, "/", Frame(TEXT, b"x", fin=False)),
    "a websocket with too long a message": lambda client: websocket(client, "/", Frame(BINARY, b"x" * 200_000)),
    "a websocket that answers no ping": lambda client: client.ask_head(handshake()),
    "a websocket of a client that leaves": lambda client: leave(client, handshake()),
}


@pytest.mark.parametrize("course", COURSES)
async def test_a_closed_connection_is_freed_without_the_garbage_collector(
    course: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector looks at old objects rarely.

    1.5 GB of dead connections stayed for 4,000 requests.
    """
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "disabled", True)  # pytest keeps records with tracebacks.
    async with serving() as server:
        gc.collect()
        gc.disable()
        try:
            client = await connect(server)
            await until(lambda: server.server_state.connections)
            seen: set[weakref.ref[object]] = set()

            def gone() -> bool:
                seen.update(weakref.ref(connection) for connection in server.server_state.connections)
                return not server.server_state.connections and not any(each() for each in seen)

            gone()
            playing = asyncio.create_task(play(COURSES[course], client))
            await until(lambda: gone() and playing.done() and not server.server_state.tasks)
            assert seen
        finally:
            gc.enable()


async def play(course: Course, client: Client) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await course(client)
        await client.rest()
    client.abort()


async def flood(server: PromptServer, begin: bytes, block: bytes, size: int) -> tuple[int, bytes]:
    """Send blocks from a thread, which allocates nothing.

    Returns the growth at its peak, and what came back.
    """

    def send() -> bytes:
        with socket.create_connection(server.servers[0].sockets[0].getsockname()) as raw:
            raw.settimeout(20)
            raw.sendall(begin)
            came = raw.recv(2000)
            raw.settimeout(2)  # A server that holds the client back is as good as one that closes.
            with contextlib.suppress(OSError):
                for _ in range(size // len(block)):
                    raw.sendall(block)
            with contextlib.suppress(OSError):
                raw.settimeout(0.5)
                came += raw.recv(2000)
            return came

    await (await connect(server)).ask(get("/", "Connection: close"))  # What every server needs once.
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        came = await asyncio.to_thread(send)
        return tracemalloc.get_traced_memory()[1] - before, came
    finally:
        tracemalloc.stop()


LAST_CHUNK = CHUNKED + b"0\r\n"


@pytest.mark.parametrize(
    ("begin", "block"),
    [
        (LAST_CHUNK, b"".join(b"a%d: b\r\n" % (number % 10) for number in range(10_000))),
        (LAST_CHUNK + b"a: ", b"b" * 65_536),
        (LAST_CHUNK, b"a" * 65_536),
        (CHUNKED + b"1;", b"x" * 65_536),
        (CHUNKED + b"1\r\na\r\n", b"1;%b\r\na\r\n" % (b"x" * 60_000)),
    ],
    ids=["trailers", "one trailer", "the name of a trailer", "an extension", "extensions"],
)
async def test_sixty_mebibytes_that_are_no_body_cost_less_than_one(begin: bytes, block: bytes) -> None:
    """60 MiB of trailers made a gateway grow from 284 to 1,489 MiB.

    One anonymous connection was enough.
    """
    async with serving(settings=Settings(log_level="critical")) as server:
        growth, _ = await flood(server, begin, block, 60 * MIB)
    assert growth < MIB


async def test_trailers_over_the_limit_are_431_while_there_is_no_response() -> None:
    """RFC 6585 section 5.

    Trailers are headers too, and share the limit with those before the body.
    """
    async with serving(settings=Settings(log_level="critical")) as server:
        client = await connect(server)
        request = CHUNKED.replace(b"POST /", b"POST /wait").replace(b"Host", b"A: " + b"x" * 40_000 + b"\r\nHost")
        assert (await client.ask(request + b"0\r\nB: " + b"x" * 40_000)).status == 431


async def test_a_body_of_small_chunks_is_no_attack() -> None:
    """Each chunk pays for its own line, however many there are."""

    async def counts(_: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        await respond(send, 200 if size == 100_000 else 500)

    async with serving(counts, Settings(log_level="critical")) as server:
        client = await connect(server)
        for _ in range(2):
            assert (await client.ask(CHUNKED + b"1;a=b\r\nx\r\n" * 100_000 + b"0\r\n\r\n")).status == 200


async def test_requests_in_a_row_are_bounded_in_number() -> None:
    """A head of 18 bytes becomes objects of some KiB.

    What is not answered the client repeats (RFC 9112 9.3.2).
    """
    go, begun = asyncio.Event(), []

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        await go.wait()
        await respond(send)

    async with serving(waits, Settings(log_level="critical")) as server:
        client = await connect(server)
        tracemalloc.start()
        try:
            client.writer.write(get() * 5_000)
            await until(lambda: begun)
            assert tracemalloc.get_traced_memory()[1] < MIB
        finally:
            tracemalloc.stop()
        go.set()
        rest = await client.rest()
    assert 16 < len(begun) < 50
    assert rest.count(b"HTTP/1.1 200") == len(begun)
    assert rest.count(b"connection: close") == 1


@pytest.mark.parametrize(
    ("block", "size"),
    [(Frame(CONT), MIB), (Frame(CONT, b"x"), MIB), (Frame(PING, b"x" * 125), 12 * MIB)],
    ids=["empty fragments", "tiny fragments", "pings"],
)
async def test_frames_without_end_cost_no_more_than_the_message(block: Frame, size: int) -> None:
    """Neither tiny fragments, nor the Pongs that a client does not read."""
    data = block.bytes(mask=True)
    async with serving(settings=Settings(log_level="critical", gateway_ws_max_client_message_bytes=MIB)) as server:
        begin = handshake() + Frame(TEXT, b"x", fin=False).bytes(mask=True)
        growth, _ = await flood(server, begin, data * (65_536 // len(data)), size)
    assert growth < MIB


async def test_small_messages_that_are_not_taken_are_not_unpacked() -> None:
    """Each would become several objects: what waits, waits as bytes."""
    go = asyncio.Event()

    async def waits(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()

    async with serving(waits, Settings(log_level="critical")) as server:
        data = Frame(TEXT).bytes(mask=True) * 10_000
        growth, _ = await flood(server, handshake(), data, 16 * MIB)
        go.set()
    assert growth < 3 * MIB


async def test_the_fragments_of_one_message_share_its_limit() -> None:
    """1009 when their sum is over it (RFC 6455 section 7.4.1)."""
    async with serving() as server:
        client = await connect(server)
        await client.send(handshake())
        assert (await client.head()).status == 101
        wire = Wire(client, mask=True)
        await wire.send(Frame(BINARY, b"x" * 60_000, fin=False), Frame(CONT, b"x" * 60_000))
        frame = await wire.frame()
        assert (frame.opcode, frame.code) == (CLOSE, 1009)
