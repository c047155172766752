"""Which connections are used again, and what is sent twice.

Rules 25 and 26 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

import asyncio

import pytest

from fluxlit.proxy import ProxyLimits
from tests.gateway.proxy.harness import OK, Message, Peer, answering, get, post, stage, until

pytestmark = pytest.mark.anyio


def dying_on_reuse(seen: list[Message]) -> object:
    """An upstream that closes a connection as it is used once more."""

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)
        seen.append(await peer.request())

    return script


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_rule_26_a_stale_connection_costs_a_repeatable_request_nothing(method: str) -> None:
    """RFC 9110 section 9.2.2: sent once more, on a new connection."""
    seen: list[Message] = []
    async with stage(dying_on_reuse(seen)) as scene:  # type: ignore[arg-type]
        client = await scene.client()
        for _ in range(3):
            request = get().replace(b"GET", method.encode())
            assert (await client.ask(request, method)).status == 200
    assert len(scene.connections) == 3


@pytest.mark.parametrize("request_", [post(b"x"), get().replace(b"GET", b"DELETE"), get().replace(b"GET", b"PUT")])
async def test_rule_25_a_request_that_changes_something_never_rides_on_a_used_connection(request_: bytes) -> None:
    """RFC 9110 section 9.2.2: so it never has to be sent twice."""
    seen: list[Message] = []
    async with stage(dying_on_reuse(seen)) as scene:  # type: ignore[arg-type]
        client = await scene.client()
        assert (await client.ask(get())).status == 200
        assert (await client.ask(request_)).status == 200
        assert (await client.ask(request_)).status == 200
    assert len(seen) == 3


async def test_rule_25_a_request_that_the_upstream_has_begun_to_answer_is_not_repeated() -> None:
    """One byte is enough: the upstream has acted."""
    seen: list[Message] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)
        seen.append(await peer.request())
        await peer.send(b"H")
        peer.close()

    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask(get())).status == 200
        assert (await client.ask(get())).status == 502
    assert len(seen) == 2


async def test_rule_25_a_request_is_repeated_once_at_most() -> None:
    """A new connection that dies as well is the upstream's last word."""
    seen: list[Message] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        if len(seen) == 1:
            await peer.send(OK)
            seen.append(await peer.request())

    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask(get())).status == 200
        assert (await client.ask(get())).status == 502
    assert len(seen) == 3


async def test_rule_25_a_connection_that_dies_at_its_first_use_is_no_stale_one() -> None:
    """The upstream had the request and said no."""
    seen: list[Message] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())

    async with stage(script) as scene:
        assert (await (await scene.client()).ask(get())).status == 502
    assert len(seen) == 1


async def test_rule_25_a_time_out_is_never_a_reason_to_repeat() -> None:
    """The upstream may still be at work."""
    seen: list[Message] = []

    async def script(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            if len(seen) == 1:
                await peer.send(OK)

    async with stage(script, limits=ProxyLimits(read=0.2)) as scene:
        client = await scene.client()
        assert (await client.ask(get())).status == 200
        assert (await client.ask(get())).status == 504
    assert len(seen) == 2


async def test_rule_26_connections_are_used_again() -> None:
    """As long as both sides keep them open."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        for _ in range(10):
            await client.ask(get())
    assert (len(scene.connections), len(seen)) == (1, 10)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_rule_26_a_connection_that_the_upstream_wants_to_close_is_not_used_again(answer: bytes) -> None:
    """RFC 9112 section 9.6."""
    script, _ = answering(answer)
    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask(get())).body == b"ok"
        assert (await client.ask(get())).body == b"ok"
    assert len(scene.connections) == 2


async def test_rule_26_idle_connections_are_closed_before_the_upstream_would_close_them() -> None:
    """The limit stays below uvicorn's 5 s."""
    assert ProxyLimits().idle < 5
    script, _ = answering(OK)
    async with stage(script, limits=ProxyLimits(idle=0.1)) as scene:
        client = await scene.client()
        await client.ask(get())
        await until(scene.connections[0].reader.at_eof)
        assert (await client.ask(get())).status == 200
    assert len(scene.connections) == 2


async def test_rule_26_an_upstream_that_speaks_unasked_loses_its_connection() -> None:
    """It cannot be known which request such bytes are for."""
    idle = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await idle.wait()
        await peer.send(OK)
        await peer.gone()

    async with stage(script) as scene:
        client = await scene.client()
        await client.ask(get())
        idle.set()
        await until(scene.connections[0].reader.at_eof)
        await client.send(get())
        await until(lambda: len(scene.connections) == 2)


async def test_a_hundred_clients_at_once_never_get_each_others_answers() -> None:
    """The pool hands a connection to one exchange at a time."""

    async def script(peer: Peer) -> None:
        while True:
            target = (await peer.request()).target
            await asyncio.sleep(0)
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async with stage(script) as scene:

        async def one(name: int) -> None:
            client = await scene.client()
            for number in range(10):
                target = f"/{name}/{number}"
                assert (await client.ask(get(target))).body == target.encode()

        await asyncio.gather(*(one(name) for name in range(100)))
