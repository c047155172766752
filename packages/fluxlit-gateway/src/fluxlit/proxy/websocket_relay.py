"""One WebSocket, to and from the upstream.

The browser's side belongs to the ASGI server, the upstream's is an `UpstreamWebSocket`. Each side has a handshake of
its own; what travels is the subprotocol offer (in order and complete: Streamlit reads a token and a session id from it
by position), the offer of compression if a tunnel and the settings allow it, and the upstream's choice. Then a server
that offers it gets the upstream's connection for a tunnel. Any other has messages and closing codes relayed, and each
side keeps its own framing, pings and masking.

A relay reads the upstream even while the browser is slow: Streamlit drops a session if it cannot hand over its
messages, but keeps one with a closed socket. So what waits for the browser is bounded, and at the bound the browser's
socket is closed with 1013; it reconnects and finds its session.
"""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.frames import CloseCode
from websockets.http11 import Response

from fluxlit._internal.asgi import Header, Receive, Scope, Send
from fluxlit._internal.websocket_tunnel import TUNNEL
from fluxlit.observability.request_record import count_sent
from fluxlit.proxy.errors import UpstreamTimeoutError
from fluxlit.proxy.headers import (
    HANDSHAKE_DROPPED,
    RESPONSE_DROPPED,
    end_to_end,
    request_head,
    request_target,
)
from fluxlit.proxy.upstream_pool import Upstream
from fluxlit.proxy.upstream_websocket import UpstreamWebSocket, sendable

EXTENSIONS = b"sec-websocket-extensions"

ANSWER_DROPPED = RESPONSE_DROPPED | {
    b"content-length",
    b"sec-websocket-accept",
    b"sec-websocket-protocol",
    EXTENSIONS,
}

TRY_AGAIN_LATER = 1013
BAD_GATEWAY = 1014


class Relay:
    """One WebSocket under way."""

    def __init__(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send, extra: list[Header]) -> None:
        self._upstream = upstream
        self._scope = scope
        self._receive = receive
        self._send = send
        self._extra = extra
        tunnel = upstream.limits.ws_compression and TUNNEL in scope
        self._compression = offered_compression(scope["headers"]) if tunnel else b""

    async def run(self) -> None:
        """Relay until either side closes.

        Raises:
            UpstreamError: the upstream could not be reached or broke the handshake; the browser has no response yet.
        """
        await self._receive()  # websocket.connect
        if await self._serve():
            await self._follow()

    async def _serve(self) -> bool:
        """Relay; returns early, and true, if a tunnel has the connection now."""
        limits = self._upstream.limits
        connection = await self._upstream.address.connect(
            lambda: UpstreamWebSocket(self._scope["subprotocols"], limits, compression=bool(self._compression)),
            within=limits.connect,
        )
        tunnelled = False
        try:
            response = await self._open(connection)
            if response.status_code != 101:
                await self._refuse(response)
            elif TUNNEL in self._scope:
                await self._send({**acceptance(connection, response), TUNNEL: connection.hand_over()})
                tunnelled = True
            else:
                await self._send(acceptance(connection, response))
                connection.start()
                await self._pump(connection)
        finally:
            if not tunnelled:
                connection.abort()
        return tunnelled

    async def _open(self, connection: UpstreamWebSocket) -> Response:
        limit = self._upstream.limits.ws_open
        try:
            async with asyncio.timeout(limit or None):
                return await connection.open(self._head(connection))
        except TimeoutError as error:
            raise UpstreamTimeoutError(
                f"{self._upstream.address} did not answer a WebSocket handshake within {limit:g} s"
            ) from error

    def _head(self, connection: UpstreamWebSocket) -> bytes:
        headers = end_to_end(self._scope["headers"], HANDSHAKE_DROPPED)
        headers += self._extra
        offer: list[str] = self._scope["subprotocols"]
        if offer and not any(name == b"sec-websocket-protocol" for name, _ in headers):
            # Some servers (wsproto) take the field away when they have read it.
            headers.append((b"sec-websocket-protocol", ", ".join(offer).encode("ascii")))
        if self._compression:
            headers.append((EXTENSIONS, self._compression))
        headers += [
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", connection.key),
        ]
        target = request_target(self._scope["raw_path"], self._scope["query_string"])
        return request_head("GET", self._upstream.address.base.encode("ascii") + target, headers)

    async def _follow(self) -> None:
        """Wait for the end of the tunnel."""
        try:
            while (await self._receive())["type"] != "websocket.disconnect":
                pass
        finally:
            count_sent(self._scope, self._scope[TUNNEL].sent.payload)

    async def _refuse(self, response: Response) -> None:
        if "websocket.http.response" not in self._scope.get("extensions", {}):
            await self._send({"type": "websocket.close"})
            return
        body = response.body or b""
        headers = [*answer_headers(response), (b"content-length", b"%d" % len(body))]
        await self._send({"type": "websocket.http.response.start", "status": response.status_code, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def _pump(self, connection: UpstreamWebSocket) -> None:
        up = asyncio.create_task(self._to_upstream(connection))
        down = asyncio.create_task(self._to_browser(connection))
        watched: set[asyncio.Future[Any]] = {up, down, connection.overrun}
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if up.done():
                down.cancel()
                await connection.shut(*up.result())
            elif down.done():
                await self._after(down, connection)
            else:
                down.cancel()
                connection.abort()  # First: later messages would only be dropped.
                await self._turn_away()
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _after(self, down: asyncio.Task[None], connection: UpstreamWebSocket) -> None:
        """End the upstream's connection once nothing more can go to the browser."""
        if isinstance(down.exception(), OSError):  # The server reports a browser that has left.
            await connection.shut(CloseCode.ABNORMAL_CLOSURE, "")
        else:
            down.result()
            await connection.shut(CloseCode.NORMAL_CLOSURE, "")

    async def _to_upstream(self, connection: UpstreamWebSocket) -> tuple[int, str]:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return message.get("code", 1005), message.get("reason") or ""
            data = message.get("bytes")
            await connection.send(message["text"] if data is None else data)

    async def _to_browser(self, connection: UpstreamWebSocket) -> None:
        while (message := await connection.next()) is not None:
            if isinstance(message, str):
                await self._send({"type": "websocket.send", "text": message})
            else:
                await self._send({"type": "websocket.send", "bytes": message})
        assert connection.close is not None
        await self._send({"type": "websocket.close", **closing(connection.close.code, connection.close.reason)})

    async def _turn_away(self) -> None:
        # A browser that reads nothing cannot be notified; returning makes the server close the connection.
        try:
            async with asyncio.timeout(self._upstream.limits.ws_close):
                await self._send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "reading too slowly"})
        except TimeoutError:
            pass


def acceptance(connection: UpstreamWebSocket, response: Response) -> dict[str, Any]:
    """The message that accepts the browser's handshake."""
    message: dict[str, Any] = {"type": "websocket.accept", "headers": answer_headers(response)}
    if connection.subprotocol is not None:
        message["subprotocol"] = connection.subprotocol
    return message


def closing(code: int, reason: str) -> dict[str, Any]:
    """The Close frame for the browser when the upstream closed.

    No code at all becomes 1000, as ASGI cannot send none; a connection that broke becomes 1014, the gateway's
    own word for it in IANA's registry.
    """
    if code == 1005:
        return {"code": 1000, "reason": ""}
    return {"code": code, "reason": reason} if sendable(code) else {"code": BAD_GATEWAY, "reason": "upstream lost"}


def offered_compression(headers: list[Header]) -> bytes:
    """What a handshake offers of RFC 7692, without its other extensions."""
    offers = [offer.strip() for name, value in headers if name == EXTENSIONS for offer in value.split(b",")]
    return b", ".join(offer for offer in offers if offer.partition(b";")[0].strip() == b"permessage-deflate")


def answer_headers(response: Response) -> list[Header]:
    """The fields of a handshake's answer that go on to the browser."""
    raw = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.headers.raw_items()]
    return end_to_end(raw, ANSWER_DROPPED)
