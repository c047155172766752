"""Load from a separate process: a number of requests or echoes.

They are spread over a fixed number of connections.

Prints one JSON object: how many, in how many seconds, how many seconds of CPU of its own that took, and the latencies'
percentiles in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit

import uvloop
import websockets


async def http_worker(host: str, port: int, path: str, count: int, latencies: list[float]) -> None:
    """Send `count` requests one after the other on one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\nUser-Agent: load\r\n\r\n".encode()
    for _ in range(count):
        begun = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"unexpected answer: {head[:200]!r}")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - begun)
    writer.close()


async def echo_worker(url: str, size: int, count: int, latencies: list[float]) -> None:
    """Send `count` messages on one WebSocket, each after the previous echo."""
    message = b"x" * size
    async with websockets.connect(url, compression=None, max_size=None, ping_interval=None, proxy=None) as socket:
        for _ in range(count):
            begun = time.perf_counter()
            await socket.send(message)
            if len(await socket.recv()) != size:
                raise SystemExit("the echo has another length")
            latencies.append(time.perf_counter() - begun)


async def run(arguments: argparse.Namespace) -> None:
    """Share the load among the connections and print what was seen."""
    url = urlsplit(arguments.url)
    share = arguments.count // arguments.connections
    latencies: list[float] = []
    begun, spent = time.perf_counter(), time.process_time()
    if url.scheme == "http":
        place = (url.hostname or "", url.port or 80, url.path or "/")
        workers = [http_worker(*place, share, latencies) for _ in range(arguments.connections)]
    else:
        workers = [echo_worker(arguments.url, arguments.size, share, latencies) for _ in range(arguments.connections)]
    await asyncio.gather(*workers)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
    latencies.sort()
    print(
        json.dumps(
            {
                "count": len(latencies),
                "seconds": seconds,
                "cpu": cpu,
                "p50": latencies[len(latencies) // 2] * 1000,
                "p99": latencies[int(len(latencies) * 0.99)] * 1000,
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--size", type=int, default=1024)
    uvloop.run(run(parser.parse_args()))
