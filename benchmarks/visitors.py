"""Visitors of a Streamlit page in a separate process.

Each opens a session and reruns it as fast as it can.

Prints one JSON object: reruns a second, their median and p99 in milliseconds, and the visitors' own CPU seconds.
With ``--hold`` the sessions are opened and kept until standard input closes; it prints a line once all are open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

import uvloop
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

RERUN = BackMsg()
RERUN.rerun_script.query_string = ""
RERUN_BYTES = RERUN.SerializeToString()


async def rerun(socket: websockets.ClientConnection) -> None:
    """Ask for a run and wait for its end."""
    await socket.send(RERUN_BYTES)
    while True:
        data = await socket.recv()
        # The end of a run is a short message; longer ones need not be decoded to see that they are something else.
        if len(data) < 64 and ForwardMsg.FromString(data).WhichOneof("type") == "script_finished":
            return


async def visit(url: str, until: float, latencies: list[float], *, hold: asyncio.Event | None = None) -> None:
    """One session: reruns until a moment of the loop's clock."""
    loop = asyncio.get_running_loop()
    async with websockets.connect(
        f"{url.replace('http', 'ws', 1)}/_stcore/stream",
        subprotocols=[websockets.Subprotocol("streamlit"), websockets.Subprotocol("PLACEHOLDER_AUTH_TOKEN")],
        compression=None,
        max_size=None,
        ping_interval=None,
        proxy=None,
    ) as socket:
        await rerun(socket)
        if hold is not None:
            latencies.append(0)
            await hold.wait()
            return
        begun = 0.0
        while not begun or loop.time() < until:  # once at least, however slow the machine is
            begun = time.perf_counter()
            await rerun(socket)
            latencies.append(time.perf_counter() - begun)


async def run(arguments: argparse.Namespace) -> None:
    """Let all visitors in."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    if arguments.hold:
        release = asyncio.Event()
        waiting = [
            asyncio.create_task(visit(arguments.url, 0, latencies, hold=release)) for _ in range(arguments.sessions)
        ]
        while len(latencies) < arguments.sessions:
            done = [task for task in waiting if task.done()]
            if done:
                done[0].result()
            await asyncio.sleep(0.02)
        print(json.dumps({"open": len(latencies)}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        release.set()
        await asyncio.gather(*waiting)
        return
    begun, spent = loop.time(), time.process_time()
    await asyncio.gather(
        *(visit(arguments.url, begun + arguments.seconds, latencies) for _ in range(arguments.sessions))
    )
    seconds = loop.time() - begun
    latencies.sort()
    print(
        json.dumps(
            {
                "rate": len(latencies) / seconds,
                "p50": latencies[len(latencies) // 2] * 1000,
                "p99": latencies[int(len(latencies) * 0.99)] * 1000,
                "cpu": (time.process_time() - spent) / seconds,
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--hold", action="store_true")
    uvloop.run(run(parser.parse_args()))
