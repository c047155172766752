"""One request every 10 ms, independent of how long responses take.

Latency counts from the moment at which each request was due.

Prints one JSON object: median and p99 in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from urllib.parse import urlsplit

import uvloop

GAP = 0.01


async def ask(
    place: tuple[str, int, str], due: float, pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
) -> float:
    """Send one request and return its latency in seconds."""
    host, port, path = place
    reader, writer = pool.pop() if pool else await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"unexpected answer: {head[:200]!r}")
    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
    pool.append((reader, writer))
    return asyncio.get_running_loop().time() - due


async def run(arguments: argparse.Namespace) -> None:
    """Ask at a fixed rate and print what was seen."""
    url = urlsplit(arguments.url)
    place = (url.hostname or "", url.port or 80, url.path)
    pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    loop = asyncio.get_running_loop()
    begun = loop.time()
    asked = []
    for number in range(int(arguments.seconds / GAP)):
        due = begun + number * GAP
        await asyncio.sleep(max(0, due - loop.time()))
        asked.append(asyncio.create_task(ask(place, due, pool)))
    latencies = sorted(await asyncio.gather(*asked))
    print(
        json.dumps({"p50": latencies[len(latencies) // 2] * 1000, "p99": latencies[int(len(latencies) * 0.99)] * 1000})
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=8)
    uvloop.run(run(parser.parse_args()))
