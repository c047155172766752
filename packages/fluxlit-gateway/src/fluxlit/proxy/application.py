"""The reverse proxy as an ASGI application: everything that reaches it goes to one upstream."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fluxlit.proxy.errors import UpstreamError
from fluxlit.proxy.exchange import BadFramingError, BodyTooLargeError, ClientLeftError, Exchange, Receive, Scope, Send
from fluxlit.proxy.headers import Header
from fluxlit.proxy.relay import Relay
from fluxlit.proxy.upstream import Upstream

logger = logging.getLogger("fluxlit.proxy")

Refusal = Callable[[Scope, Send, int, str], Awaitable[None]]


async def refuse(scope: Scope, send: Send, status: int, detail: str) -> None:
    """Answer an HTTP request or a WebSocket handshake with a status and one line of plain text."""
    body = f"{detail}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers.append((b"cache-control", b"no-store"))
    if status == 503:
        headers.append((b"retry-after", b"1"))
    prefix = "websocket.http" if scope["type"] == "websocket" else "http"
    await send({"type": f"{prefix}.response.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})


class ReverseProxy:
    """Relays HTTP requests and WebSockets to one upstream.

    Args:
        upstream: where to.
        via: pseudonym for the Via field that every request gets (RFC 9110 section 7.6.3); empty for none.
        refusal: answers requests that cannot be relayed; by default with one line of plain text.
    """

    def __init__(self, upstream: Upstream, *, via: str = "fluxlit", refusal: Refusal = refuse) -> None:
        self.upstream = upstream
        self._extra: list[Header] = [(b"via", f"1.1 {via}".encode("ascii"))] if via else []
        self._refuse = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._exchange(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._relay(scope, receive, send)
        else:
            raise ValueError(f"a proxy does not serve {scope['type']!r}")

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(self.upstream, scope, receive, send, self._extra)
        try:
            await exchange.run()
        except ClientLeftError:
            logger.debug("%s %s: the client left", scope["method"], scope["path"])
        except BodyTooLargeError:
            await self._give_up(
                exchange, 413, f"The request's body is longer than {self.upstream.limits.body} bytes.", "body too large"
            )
        except BadFramingError:
            await self._give_up(exchange, 400, "The request's length is ambiguous.", "ambiguous request length")
        except UpstreamError as error:
            await self._give_up(exchange, error.status, STATUS_TEXT[error.status], str(error))

    async def _give_up(self, exchange: Exchange, status: int, text: str, cause: str) -> None:
        scope: dict[str, Any] = exchange.scope
        if exchange.started:
            # Returning without the last message makes the server cut the connection: the client must not
            # take half an answer for the whole.
            logger.warning("%s %s: cut short: %s", scope["method"], scope["path"], cause)
            return
        logger.warning("%s %s: %d: %s", scope["method"], scope["path"], status, cause)
        await self._refuse(scope, exchange.send, status, text)

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> None:
        relay = Relay(self.upstream, scope, receive, send, self._extra)
        try:
            await relay.run()
        except UpstreamError as error:
            logger.warning("WebSocket %s: %d: %s", scope["path"], error.status, error)
            await self._refuse(scope, send, error.status, STATUS_TEXT[error.status])


STATUS_TEXT = {
    502: "The upstream did not give a valid answer.",
    503: "Too many requests are under way. Try again soon.",
    504: "The upstream did not answer in time.",
}
