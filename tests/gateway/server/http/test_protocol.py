"""Fields that go past the server into the head it writes.

There once, in any response.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from fluxlit import FluxLit
from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.server.runtime import Runtime
from tests.gateway.proxy.harness import Client, Message, get, served_by_uvicorn

pytestmark = pytest.mark.anyio

api = FastAPI()


@api.get("/plain")
def plain() -> str:
    return "plain"


@api.get("/own")
def own(response: Response) -> str:
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["X-Request-ID"] = "invented"
    return "own"


@api.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        yield b"two"

    return StreamingResponse(parts())


@api.get("/broken")
def broken() -> str:
    raise RuntimeError("on purpose")


@api.post("/size")
def size(body: dict[str, str]) -> int:
    return len(body)


ASKED = asyncio.Event()


async def asking(_: Scope, receive: Receive, send: Send) -> None:
    """Reports that it has asked for a body."""
    body = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    ASKED.set()
    await body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


api.mount("/asking", asking)


async def loud(_: Scope, __: Receive, send: Send) -> None:
    """Its names are in capitals: uvicorn sends them in lower case."""
    fields = [[b"X-FRAME-OPTIONS", b"DENY"], [b"X-Request-ID", b"invented"], [b"Content-Length", b"0"]]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body"})


api.mount("/loud", loud)


async def once(_: Scope, __: Receive, send: Send) -> None:
    """Its fields can be gone through only once, which ASGI allows."""
    fields = iter([(b"x-frame-options", b"DENY"), (b"content-length", b"0")])
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body"})


api.mount("/once", once)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with served_by_uvicorn(Runtime(FluxLit(api=api)).asgi) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        yield client
        client.abort()


def own_fields(answer: Message) -> dict[bytes, list[bytes]]:
    return {name: answer.all(name) for name in (b"x-content-type-options", b"x-frame-options", b"referrer-policy")}


USUAL = {
    b"x-content-type-options": [b"nosniff"],
    b"x-frame-options": [b"SAMEORIGIN"],
    b"referrer-policy": [b"strict-origin-when-cross-origin"],
}


@pytest.mark.parametrize(("path", "status"), [("/plain", 200), ("/stream", 200), ("/none", 404), ("/broken", 500)])
async def test_every_answer_has_each_field_once(client: Client, path: str, status: int) -> None:
    answer = await client.ask(get(f"/api{path}", "X-Request-ID: mine"))
    assert answer.status == status
    assert own_fields(answer) == USUAL
    assert answer.all(b"x-request-id") == [b"mine"]


async def test_answers_on_one_connection_do_not_mix(client: Client) -> None:
    await client.send(get("/api/plain", "X-Request-ID: one") + get("/api/stream", "X-Request-ID: two"))
    first, second = await client.answer(), await client.answer()
    assert (first.body, second.body) == (b'"plain"', b"onetwo")
    assert [each.all(b"x-request-id") for each in (first, second)] == [[b"one"], [b"two"]]
    assert own_fields(first) == own_fields(second) == USUAL


@pytest.mark.parametrize("path", ["/own", "/loud/"])
async def test_what_the_application_says_itself_stands_and_the_id_is_the_gateways(client: Client, path: str) -> None:
    answer = await client.ask(get(f"/api{path}", "X-Request-ID: mine"))
    assert answer.all(b"x-frame-options") == [b"DENY"]
    assert answer.all(b"x-request-id") == [b"mine"]


async def test_fields_that_can_be_read_only_once_are_read_once(client: Client) -> None:
    answer = await client.ask(get("/api/once/"))
    assert (answer.status, answer.all(b"x-frame-options")) == (200, [b"DENY"])


async def test_a_go_ahead_has_no_fields_and_the_answer_after_it_has(client: Client) -> None:
    body = b'{"a": "b"}'
    head = f"POST /api/size HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    interim = await client.ask_head(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert (interim.status, interim.fields) == (100, [])
    answer = await client.ask(body)
    assert (answer.status, answer.body) == (200, b"1")
    assert own_fields(answer) == USUAL


async def test_rule_29_an_http_1_0_client_gets_no_100(client: Client) -> None:
    """RFC 9110 section 15.2: HTTP/1.0 knows no status 1xx."""
    ASKED.clear()
    await client.send(b"POST /api/asking/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    async with asyncio.timeout(60):
        await ASKED.wait()
    assert (await client.ask(b"x")).status == 200


async def test_an_answer_to_head_ends_with_its_fields(client: Client) -> None:
    answer = await client.ask(get("/api/healthz").replace(b"GET", b"HEAD"), "HEAD")
    assert own_fields(answer) == USUAL
    assert (await client.ask(get("/api/plain"))).body == b'"plain"'
