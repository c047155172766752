"""Bodies on their way: rules 20 to 22 of docs/contributing/proxy-rules.md."""

from __future__ import annotations

import asyncio

import pytest

from fluxlit.proxy import ProxyLimits
from tests.gateway.proxy.harness import OK, Peer, get, stage, until

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n"
# The system buffers a few hundred KiB on each of two hops, the proxy another half of a MiB.
UNREAD = 16 * 2**20


async def test_rule_21_events_arrive_as_they_are_sent() -> None:
    """Each event is seen before the next one is made."""
    seen = asyncio.Queue[None]()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(EVENTS)
        for number in range(5):
            text = b"data: %d\n\n" % number
            await peer.send(b"%x\r\n%b\r\n" % (len(text), text))
            await seen.get()
        await peer.send(b"0\r\n\r\n")

    async with stage(script) as scene:
        client = await scene.client()
        head = await client.ask_head(get())
        assert head.all(b"content-type") == [b"text/event-stream"]
        for number in range(5):
            assert await client.chunk() == b"data: %d\n\n" % number
            seen.put_nowait(None)
        assert await client.chunk(head) == b""


async def test_rule_21_the_head_of_an_answer_does_not_wait_for_its_body() -> None:
    """An event stream may stay silent for minutes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(EVENTS)
        await peer.gone()

    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask_head(get())).status == 200


@pytest.mark.parametrize("silent", [True, False], ids=["silent upstream", "streaming upstream"])
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
async def test_rule_22_a_client_that_leaves_ends_the_exchange_upstream(silent: bool, reset: bool) -> None:
    """Within a fraction of a second, whether or not anything is on its way."""
    arrived = asyncio.Event()
    ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        await peer.request()
        if not silent:
            await peer.send(CHUNKED)
        arrived.set()
        try:
            while not silent:
                await peer.send(b"1\r\nx\r\n")
                await asyncio.wait_for(peer.reader.read(1), 0.01)
                break
            await peer.gone()
        except TimeoutError:
            pass
        finally:
            ended.set_result(asyncio.get_running_loop().time())

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(get())
        await arrived.wait()
        left = asyncio.get_running_loop().time()
        client.abort() if reset else client.close()
        async with asyncio.timeout(60):
            assert await ended - left < 1


async def test_rule_22_leaving_after_an_upload_ends_the_exchange_too() -> None:
    """The body has been passed on whole, and the response has not come yet."""
    arrived = asyncio.Event()
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.gone()
        gone.set()

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
        await arrived.wait()
        client.close()
        async with asyncio.timeout(60):
            await gone.wait()


async def test_rule_20_a_slow_reader_stops_the_upstream() -> None:
    """Back-pressure instead of a buffer that grows."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            peer.writer.write(b"x" * 65536)
            await peer.writer.drain()
            sent += 65536

    async with stage(script) as scene:
        client = await scene.client()
        client.pause()
        await client.send(get())
        stands = await stalled(lambda: sent)
        assert 0 < stands < UNREAD
        client.resume()
        for _ in range(400):
            await client.reader.read(65536)
        await until(lambda: sent > stands)


async def test_rule_20_a_slow_upstream_stops_the_uploader() -> None:
    """The same in the other direction."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.pause()
        await go.wait()

    sent = 0
    async with stage(script) as scene:
        client = await scene.client()

        async def upload() -> None:
            nonlocal sent
            client.writer.write(UPLOAD)
            while True:
                client.writer.write(b"x" * 65536)
                await client.writer.drain()
                sent += 65536

        uploading = asyncio.create_task(upload())
        assert 0 < await stalled(lambda: sent) < UNREAD
        uploading.cancel()
        await asyncio.gather(uploading, return_exceptions=True)
        go.set()


async def test_a_stalled_client_does_not_hold_up_others() -> None:
    """One that reads nothing, one that sends nothing, and one that behaves."""

    async def slow_or_not(peer: Peer) -> None:
        message = await peer.head()
        if message.target == b"/big":
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                peer.writer.write(b"x" * 65536)
                await peer.writer.drain()
        await peer.send(OK)

    async with stage(slow_or_not) as scene:
        reader = await scene.client()
        reader.pause()
        await reader.send(get("/big"))
        await (await scene.client()).send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
        for _ in range(20):
            assert (await (await scene.client()).ask(get())).status == 200


async def test_read_time_out_counts_silence_not_duration() -> None:
    """A response may take for ever as long as something comes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(8):
            await asyncio.sleep(0.25)
            await peer.send(b"1\r\nx\r\n")
        await peer.send(b"0\r\n\r\n")

    async with stage(script, limits=ProxyLimits(read=1.5)) as scene:
        assert (await (await scene.client()).ask(get())).body == b"x" * 8


async def test_a_slow_reader_is_not_taken_for_a_silent_upstream() -> None:
    """The read time-out is the upstream's, not the client's."""
    size = 20_000_000

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        peer.writer.write(b"x" * size)
        await peer.writer.drain()
        await peer.gone()

    async with stage(script, limits=ProxyLimits(read=0.2)) as scene:
        client = await scene.client()
        client.pause()
        await client.send(get())
        await asyncio.sleep(0.6)  # Three times the limit.
        client.resume()
        head = await client.head()
        assert len(await client.body(head)) == size


async def stalled(progress: object) -> int:
    """Wait until a counter stands still, and return where."""
    assert callable(progress)
    last, since = -1, 0
    deadline = asyncio.get_running_loop().time() + 60
    while since < 20:
        assert asyncio.get_running_loop().time() < deadline, "it never stopped"
        await asyncio.sleep(0.02)
        now = int(progress())
        since = since + 1 if now == last and now else 0
        last = now
    return last
