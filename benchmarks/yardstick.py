"""What a request and an echo cost in Python without any proxy.

A ratio to nginx depends on the machine, one to these servers hardly does: uvicorn with a Starlette route of 10 KiB, and
an echo server of the `websockets` library.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from websockets.asyncio.server import ServerConnection, serve

BODY = b"x" * 10240


async def page(_: Request) -> Response:
    """A response as large as that of the upstream."""
    return Response(BODY, media_type="text/plain")


async def echo(port: int) -> None:
    """Send every message back."""

    async def back(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    async with serve(back, "127.0.0.1", port, compression=None, max_size=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "http":
        app = Starlette(routes=[Route("/{path:path}", page)])
        uvicorn.run(app, port=int(sys.argv[2]), access_log=False, log_level="warning")
    else:
        import uvloop

        uvloop.run(echo(int(sys.argv[2])))
