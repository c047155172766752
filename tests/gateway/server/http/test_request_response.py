"""How a response goes over the connection.

Its head, its length, its end, and what an application may not put there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.gateway.header_cache import MOST
from fluxlit.server.http import protocol
from fluxlit.server.http.request_response import PREFIXES, RequestResponseCycle
from fluxlit.server.sockets.tls import Tls
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import Client, get, served_by_uvicorn, until
from tests.gateway.proxy.websocket import handshake
from tests.gateway.server.sockets.certificates import make_certificate

pytestmark = pytest.mark.anyio

SETTINGS = Settings(log_level="critical")  # Most of these applications do something wrong, which is logged.

Answering = Callable[[Scope, Send], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(answering: Answering, settings: Settings = SETTINGS, **changes: Any) -> AsyncIterator[Client]:
    async def application(scope: Scope, _: Receive, send: Send) -> None:
        await answering(scope, send)

    async with served_by_uvicorn(application, settings, **changes) as server:
        client = Client(*await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1]))
        yield client
        client.abort()


def saying(*parts: bytes, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> Answering:
    """An application with a single response."""

    async def answering(_: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers or []})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answering


async def test_an_answer_without_a_length_is_chunked() -> None:
    async with served(saying(b"one", b"", b"two")) as client:
        answer = await client.ask(get())
        assert (answer.body, answer.all(b"transfer-encoding")) == (b"onetwo", [b"chunked"])
        assert (await client.ask(get())).body == b"onetwo"


async def test_what_an_application_says_of_the_coding_is_said_by_the_server_once() -> None:
    async with served(saying(b"one", headers=[(b"Transfer-Encoding", b"Chunked")])) as client:
        answer = await client.ask(get())
        assert (answer.body, answer.all(b"transfer-encoding")) == (b"one", [b"chunked"])


async def test_an_old_client_gets_the_body_until_the_connection_ends() -> None:
    async with served(saying(b"one", b"two", headers=[(b"transfer-encoding", b"chunked")])) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        head = await client.head()
        assert (head.all(b"transfer-encoding"), head.all(b"connection")) == ([], [b"close"])
        assert await client.reader.read() == b"onetwo"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_that_has_no_body_says_nothing_of_its_end(method: str, status: int) -> None:
    async with served(saying(status=status)) as client:
        for _ in range(2):
            answer = await client.ask(get().replace(b"GET", method.encode()), method)
            assert (answer.status, answer.all(b"transfer-encoding"), answer.all(b"content-length")) == (status, [], [])


async def test_the_body_of_an_answer_to_head_is_not_sent() -> None:
    async with served(saying(b"body", headers=[(b"content-length", b"4")])) as client:
        for _ in range(2):
            answer = await client.ask(get().replace(b"GET", b"HEAD"), "HEAD")
            assert answer.all(b"content-length") == [b"4"]


@pytest.mark.parametrize(
    "header",
    [
        (b"x-note", b"a\r\nset-cookie: admin=1"),
        (b"x-note", b"a\r\n\r\n<script>"),
        (b"x-note", b"a\nset-cookie: admin=1"),
        (b"x-note", b"a\rset-cookie: admin=1"),
        (b"x-note", b"a\x00b"),
        (b"x-note", b"a\x7f"),
        (b"x-note\r\nset-cookie: admin", b"1"),
        (b"x note", b"a"),
        (b"x:note", b"a"),
        (b"", b"a"),
        (b"x\x00", b"a"),
    ],
)
async def test_no_field_can_make_another_one(header: tuple[bytes, bytes]) -> None:
    """Response splitting.

    What a visitor wrote may end up in a header of the response (RFC 9110 section 5.5).
    """
    async with served(saying(b"body", headers=[(b"x-before", b"1"), header])) as client:
        answer = await client.ask(get())
        assert (answer.status, answer.body) == (500, b"Internal Server Error")
        assert not any(name in (b"set-cookie", b"x-before") for name, _ in answer.fields)
        assert await client.reader.read() == b""


CHUNKED, LENGTH = (b"Transfer-Encoding", b"chunked"), (b"content-length", b"4")


@pytest.mark.parametrize("headers", [[CHUNKED, LENGTH], [LENGTH, CHUNKED], [LENGTH, LENGTH]], ids=str)
@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
async def test_a_response_has_one_length(version: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """With two, a part of the body may be taken for another response.

    RFC 9112 section 6.3.
    """
    async with served(saying(b"body", headers=headers)) as client:
        await client.send(b"GET / %b\r\nHost: portal.example\r\nConnection: close\r\n\r\n" % version)
        head = await client.head()
        assert (head.all(b"transfer-encoding"), head.all(b"content-length")) == ([], [b"4"])
        assert await client.reader.read() == b"body"


@pytest.mark.parametrize("lengths", [[b"4", b"5"], [b"+4"], [b"4_0"], [b"-4"], [b"4, 4"], [b""]], ids=str)
async def test_an_ambiguous_length_is_an_error(lengths: list[bytes]) -> None:
    async with served(saying(b"body", headers=[(b"content-length", length) for length in lengths])) as client:
        answer = await client.ask(get())
        assert (answer.status, answer.body) == (500, b"Internal Server Error")


@pytest.mark.parametrize(
    "header", [CHUNKED, (b"Content-Length", b"1"), (b"content-length", b"99"), (b"connection", b"keep-alive")], ids=str
)
@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.http.response.start"])
async def test_framing_of_a_handshake_is_the_servers(kind: str, header: tuple[bytes, bytes]) -> None:
    async def answering(_: Scope, send: Send) -> None:
        await send({"type": kind, "status": 403, "headers": [(b"x-note", b"1"), header]})
        if kind.endswith("start"):
            await send({"type": "websocket.http.response.body", "body": b"no!"})

    async with served(answering) as client:
        await client.send(handshake())
        head = await client.head()
        lengths, connection = ([], [b"Upgrade"]) if kind == "websocket.accept" else ([b"3"], [b"close"])
        assert (head.all(b"x-note"), head.all(b"transfer-encoding")) == ([b"1"], [])
        assert (head.all(b"content-length"), head.all(b"connection")) == (lengths, connection)
        if lengths:
            assert await client.reader.read() == b"no!"


PAIRS: dict[str, Callable[[], Iterable[Sequence[bytes]]]] = {
    "tuples": lambda: [(b"x-note", b"1"), (b"content-length", b"0")],
    "lists": lambda: [[b"x-note", b"1"], [b"content-length", b"0"]],
    "once": lambda: iter([[b"x-note", b"1"], [b"content-length", b"0"]]),
}


@pytest.mark.parametrize("pairs", PAIRS)
@pytest.mark.parametrize("kind", ["http.response.start", "websocket.accept", "websocket.http.response.start"])
async def test_headers_are_any_pairs_that_asgi_allows(kind: str, pairs: str) -> None:
    """Iterables of two byte strings, such as the lists of raw applications."""

    async def answering(_: Scope, send: Send) -> None:
        await send({"type": kind, "status": 418, "headers": PAIRS[pairs]()})
        if kind.endswith("start"):
            await send({"type": kind.replace("start", "body"), "body": b""})

    async with served(answering) as client:
        await client.send(handshake() if kind.startswith("websocket") else get())
        head = await client.head()
        assert (head.status, head.all(b"x-note")) == (101 if kind == "websocket.accept" else 418, [b"1"])


async def test_a_field_with_a_tab_and_with_latin_letters_is_passed_on() -> None:
    async with served(saying(headers=[(b"X-Note", b"a\tb \xe9")])) as client:
        answer = await client.ask(get())
        assert answer.all(b"x-note") == [b"a\tb \xe9"], answer.fields
        assert (b"x-note", b"a\tb \xe9") in answer.fields


@pytest.mark.parametrize("length", [b"2", b"10"])
async def test_an_answer_of_another_length_than_it_says_is_never_taken_for_whole(length: bytes) -> None:
    async with served(saying(b"body", headers=[(b"content-length", length)])) as client:
        await client.send(get())
        assert (await client.head()).all(b"content-length") == [length]
        assert len(await client.reader.read()) != int(length)


async def test_an_application_that_breaks_off_breaks_off_the_connection() -> None:
    async def answering(_: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("on purpose")

    async with served(answering) as client:
        await client.send(get())
        assert (await client.head()).status == 200
        assert await client.reader.read() == b"4\r\nhalf\r\n"


@pytest.mark.parametrize("messages", [["http.response.body"], ["http.response.start"] * 2, ["http.response.trailers"]])
async def test_messages_out_of_turn_are_refused(messages: list[str]) -> None:
    refused = asyncio.Event()

    async def answering(_: Scope, send: Send) -> None:
        for kind in messages[:-1]:
            await send({"type": kind, "status": 200, "headers": []})
        with pytest.raises(RuntimeError, match=messages[-1]):
            await send({"type": messages[-1], "status": 200, "headers": []})
        refused.set()

    async with served(answering) as client:
        await client.send(get())
        await client.reader.read()
        assert refused.is_set()


async def test_a_head_does_not_wait_for_a_body() -> None:
    """An event stream is there for the browser before its first event."""
    go_on = asyncio.Event()

    async def answering(_: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"event"})

    async with served(answering) as client:
        await client.send(get())
        async with asyncio.timeout(60):
            assert (await client.head()).status == 200
        go_on.set()
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"5\r\nevent\r\n0\r\n\r\n"


async def late(_: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"9")]})
    for _turn in range(20):  # of the loop, which is the client's too
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"too large"})


async def test_an_early_response_comes_in_one_piece() -> None:
    """Many a client ends its upload when it has read the head.

    An edge may then lose the rest.
    """
    async with served(late) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\nx")
        async with asyncio.timeout(60):
            assert (await client.reader.read(65536)).endswith(b"\r\n\r\ntoo large")


async def test_the_head_of_another_does_not_wait() -> None:
    async with served(late) as client:
        await client.send(get())
        async with asyncio.timeout(60):
            assert (await client.reader.read(65536)).endswith(b"\r\n\r\n")
            assert await client.reader.readexactly(9) == b"too large"


async def test_a_head_whose_body_never_comes_is_sent_all_the_same() -> None:
    async def answering(_: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})

    async with served(answering) as client:
        assert (await client.ask_head(get())).all(b"content-length") == [b"9"]
        assert await client.rest() == b""


UNWANTED = 20_000_000
"""Bytes of an upload: more than the buffers of both sockets take."""

CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"

UPLOADS = {
    "length": b"content-length: %d\r\n\r\n%b" % (UNWANTED, bytes(UNWANTED)),
    "chunks": b"transfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (CHUNK * (UNWANTED // len(CHUNK))),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("upload", UPLOADS)
@pytest.mark.parametrize("status", [413, 431], ids=["by the application", "by the server"])
async def test_who_reads_only_after_a_refused_upload_reads_the_refusal(
    status: int, upload: str, tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9112 section 9.6.

    Closing with unread bytes resets the connection, and the refusal is lost.
    """
    monkeypatch.setattr(protocol, "LINGER_S", 60.0)  # A busy machine takes its time for the upload.
    certificate, key = map(str, make_certificate(tmp_path, "one"))
    context = Tls(certificate, key).context
    factory: dict[str, Any] = {"ssl_context_factory": lambda *_: context} if tls else {}
    refusing = saying(b"no", status=413, headers=[(b"content-length", b"2"), (b"connection", b"close")])
    header = b"x-long: %b\r\n" % (b"x" * 100_000) if status == 431 else b""

    async with served(refusing, **factory) as client:
        if tls:
            await client.writer.start_tls(ssl.create_default_context(cafile=certificate), server_hostname="localhost")
        client.pause()
        await client.send(b"POST / HTTP/1.1\r\nhost: h\r\n" + header + UPLOADS[upload])
        client.resume()
        answer = await client.answer()
        assert (answer.status, answer.all(b"connection")) == (status, [b"close"])


async def test_an_application_may_make_a_task_of_what_send_returns() -> None:
    async def answering(_: Scope, send: Send) -> None:
        head: object = send({"type": "http.response.start", "status": 200, "headers": []})
        assert asyncio.iscoroutine(head)
        await asyncio.create_task(head)
        await asyncio.gather(send({"type": "http.response.body", "body": b"task"}))

    async with served(answering) as client:
        assert (await client.ask(get())).body == b"task"


async def test_a_slow_client_holds_the_application_back() -> None:
    sent = 0

    async def answering(_: Scope, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for sent in range(1000):  # noqa: B007  looked at from outside
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        await send({"type": "http.response.body"})

    async with served(answering) as client:
        await client.send(get())
        before = -1
        async with asyncio.timeout(60):
            while sent != before or not sent:
                before = sent
                await asyncio.sleep(0.2)
        assert 0 < sent < 500


async def test_an_idle_connection_is_closed_in_time_and_one_in_use_is_not() -> None:
    async with served(saying(b"x"), Settings(gateway_keep_alive_timeout_s=1.5)) as client:
        loop = asyncio.get_running_loop()
        for _ in range(8):
            assert (await client.ask(get())).body == b"x"
            await asyncio.sleep(0.3)
        begun = loop.time()
        async with asyncio.timeout(60):
            assert await client.reader.read() == b""
        assert loop.time() - begun > 0.9


async def test_requests_leave_nothing_that_only_the_garbage_collector_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """At thousands of requests a second its visits would be what is slow."""
    made: list[weakref.ref[RequestResponseCycle]] = []

    class Known(RequestResponseCycle):
        __slots__ = ("__weakref__",)

        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            made.append(weakref.ref(self))

    monkeypatch.setattr(protocol, "RequestResponseCycle", Known)
    gc.collect()
    gc.disable()
    try:
        async with served(saying(b"x")) as client:
            for _ in range(5):
                await client.ask(get())
            assert len(made) == 5
            assert [each() for each in made[:-1]] == [None] * 4
            client.abort()
            await until(lambda: made[-1]() is None)
    finally:
        gc.enable()


def test_names_are_remembered_but_not_without_end() -> None:
    before = dict(PREFIXES)
    try:
        for number in range(MOST + 10):
            assert PREFIXES[b"X-%d" % number] == b"x-%d: " % number
        assert len(PREFIXES) <= MOST
    finally:
        PREFIXES.clear()
        PREFIXES.update(before)
