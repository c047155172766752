"""Rule 20: memory stays flat, however much passes.

Measured in a process of its own, as the system counts it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.gateway.proxy.harness import get

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads VmHWM of Linux"),
]

MIB = 2**20
BLOCK = b"x" * MIB

UNDER_WAY: set[asyncio.Task[None]] = set()

PROXY = """
import asyncio, sys
from typing import Any
import uvicorn
from fluxlit.proxy import Address, ReverseProxy, Upstream
from fluxlit.server.serve import configuration
from fluxlit.settings import Settings

async def main() -> None:
    proxy = ReverseProxy(Upstream(Address.unix(sys.argv[1])))
    config = configuration(proxy, Settings(log_level="critical"))
    config.uds = sys.argv[2]
    await uvicorn.Server(config).serve()

import uvloop
uvloop.run(main())
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Proxy:
    """The proxy in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process = process
        self.address = address

    def peak(self) -> int:
        """The most memory that it has ever held, in MiB (VmHWM)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
        raise AssertionError

    async def ask(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self.address, limit=4 * MIB)
        writer.write(data)
        return reader, writer

    async def download(self, target: str) -> int:
        reader, writer = await self.ask(get(target))
        await reader.readuntil(b"\r\n\r\n")
        size = int(target[1:]) * MIB
        left = size
        while left and (data := await reader.read(MIB)):
            left -= len(data)
        writer.close()
        return size - left


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """GET /N sends N MiB; POST sends the number of bytes that came."""
    task = asyncio.current_task()
    assert task is not None
    UNDER_WAY.add(task)
    task.add_done_callback(UNDER_WAY.discard)
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                got = 0
                while got < length and (data := await reader.read(MIB)):
                    got += len(data)
                body = str(got).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            else:
                size = int(head.split(b" ")[1][1:])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size * MIB))
                for _ in range(size):
                    writer.write(BLOCK)
                    await writer.drain()
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def start(up: str, front: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROXY, up, front])


async def listens(path: str) -> bool:
    """Whether connections are accepted; the file is there a moment before."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def proxy() -> AsyncIterator[Proxy]:
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        up, front = f"{folder}/up", f"{folder}/front"
        server = await asyncio.start_unix_server(upstream, up, limit=2 * MIB)
        process = start(up, front)
        try:
            async with asyncio.timeout(60):
                while not await listens(front):
                    assert process.poll() is None
                    await asyncio.sleep(0.01)
            started = Proxy(process, front)
            await asyncio.gather(*(started.download("/1") for _ in range(5)))  # What every proxy needs once.
            yield started
        finally:
            process.kill()
            process.wait()
            server.close()
            async with asyncio.timeout(60):
                while UNDER_WAY:
                    await asyncio.wait(UNDER_WAY)


async def test_rule_20_a_gibibyte_down_and_up_takes_less_than_16_mib() -> None:
    """One after the other, through one process."""
    async with proxy() as running:
        before = running.peak()
        assert await running.download("/1024") == 1024 * MIB
        down = running.peak() - before
        head = f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {1024 * MIB}\r\n\r\n".encode()
        reader, writer = await running.ask(head)
        for _ in range(1024):
            writer.write(BLOCK)
            await writer.drain()
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(10) == str(1024 * MIB).encode()
        writer.close()
        both = running.peak() - before
    print(f"growth after 1 GiB down: {down} MiB; after 1 GiB up as well: {both} MiB")
    assert both < 16


async def test_rule_20_five_downloads_at_once_take_less_than_64_mib() -> None:
    """200 MiB each, to readers as quick as they come."""
    async with proxy() as running:
        before = running.peak()
        assert await asyncio.gather(*(running.download("/200") for _ in range(5))) == [200 * MIB] * 5
        growth = running.peak() - before
    print(f"growth with 5 x 200 MiB: {growth} MiB")
    assert growth < 64


async def test_rule_20_readers_that_read_nothing_take_a_bounded_amount_each() -> None:
    """Twenty downloads that no client reads."""
    async with proxy() as running:
        before = running.peak()
        writers = []
        for _ in range(20):
            _, writer = await running.ask(get("/1000"))
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writers.append(writer)
        assert await running.download("/200") == 200 * MIB
        growth = running.peak() - before
        for writer in writers:
            writer.transport.abort()
    print(f"growth with 20 stalled readers: {growth} MiB")
    assert growth < 64
