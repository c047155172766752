"""The reverse proxy as an ASGI application, in front of one upstream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fluxlit._internal.asgi import Header, Message, Receive, Scope, Send
from fluxlit._internal.responses import reply_text
from fluxlit.proxy.errors import UpstreamError, UpstreamTimeoutError
from fluxlit.proxy.http_relay import BodyTooLargeError, ClientLeftError, ClientStalledError, Exchange
from fluxlit.proxy.message_framing import RefusedError
from fluxlit.proxy.upstream_pool import Upstream
from fluxlit.proxy.websocket_relay import Relay

logger = logging.getLogger("fluxlit.proxy")

Refusal = Callable[[Scope, Send, int, str], Awaitable[None]]

# A client that is refused in the middle of an upload often reads only when it has written everything; closing at
# once would make its system discard the response (RFC 9112 section 9.6). nginx waits 5 s as well.
LINGER_S = 5.0

# More hops through gateways of one name than any deployment has on purpose.
MAX_HOPS = 8


async def refuse(scope: Scope, send: Send, status: int, detail: str) -> None:
    """Respond to a request or a handshake with a status and plain text."""
    await reply_text(scope, send, status, detail, [(b"retry-after", b"1")] if status == 503 else None)


class ReverseProxy:
    """Relays HTTP requests and WebSockets to one upstream.

    Args:
        upstream: where to.
        via: pseudonym in the Via header that every request gets (RFC 9110 section 7.6.3); empty for none.
        refusal: answers requests that cannot be relayed; by default with plain text.
    """

    def __init__(self, upstream: Upstream, *, via: str = "fluxlit", refusal: Refusal = refuse) -> None:
        self.upstream = upstream
        self._via = f"1.1 {via}".encode("ascii") if via else b""
        self._extra: list[Header] = [(b"via", self._via)] if via else []
        self._refuse = refusal

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one HTTP request or WebSocket."""
        if self._circles(scope):
            logger.warning("%s: 508: the request has passed here %d times", scope["path"], MAX_HOPS)
            return self._refuse(scope, send, 508, "Request loop: the request has passed this gateway before.")
        if scope["type"] == "http":
            return self._exchange(scope, receive, send)
        if scope["type"] == "websocket":
            return self._relay(scope, receive, send)
        raise ValueError(f"a proxy does not serve {scope['type']!r}")

    def _circles(self, scope: Scope) -> bool:
        """Whether a request comes back again and again (RFC 9110 section 7.6.3)."""
        if not self._via:
            return False
        fields = [value for name, value in scope["headers"] if name == b"via"]
        if not fields:
            return False
        hops = [hop.split(b"(")[0].strip() for value in fields for hop in value.split(b",")]
        return hops.count(self._via) >= MAX_HOPS

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(self.upstream, scope, receive, send, self._extra)
        try:
            await exchange.run()
        except ClientLeftError:
            logger.debug("%s %s: the client left", scope["method"], scope["path"])
        except ClientStalledError as error:
            logger.warning("%s %s: cut short: %s", scope["method"], scope["path"], error)
        except BodyTooLargeError:
            largest = self.upstream.limits.body
            await self._give_up(exchange, 413, f"The request's body is longer than {largest} bytes.", "body too large")
        except RefusedError as error:
            await self._give_up(exchange, error.status, str(error), str(error))
        except UpstreamTimeoutError as error:
            if exchange.waits_for_client:
                await self._give_up(exchange, 408, "The request's body did not come in time.", "slow client")
            else:
                await self._give_up(exchange, 504, STATUS_TEXT[504], str(error))
        except UpstreamError as error:
            await self._give_up(exchange, error.status, STATUS_TEXT[error.status], str(error))

    async def _give_up(self, exchange: Exchange, status: int, text: str, cause: str) -> None:
        scope = exchange.scope
        self.upstream.meter.failed(status)
        if exchange.started:
            # Returning without the last message makes the server cut the connection: the client must not
            # take half a response for the whole.
            logger.warning("%s %s: cut short: %s", scope["method"], scope["path"], cause)
            return
        logger.warning("%s %s: %d: %s", scope["method"], scope["path"], status, cause)
        send = exchange.send if exchange.finished_body else parting(exchange)
        await self._refuse(scope, send, status, text)

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> None:
        relay = Relay(self.upstream, scope, receive, send, self._extra)
        try:
            await relay.run()
        except UpstreamError as error:
            self.upstream.meter.failed(error.status)
            logger.warning("WebSocket %s: %d: %s", scope["path"], error.status, error)
            await self._refuse(scope, send, error.status, STATUS_TEXT[error.status])


def parting(exchange: Exchange) -> Send:
    """A `send` that closes the connection after the response (unread body)."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            await exchange.send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
        elif message.get("more_body") or not exchange.sends_unasked:
            await exchange.send(message)
        else:
            await exchange.send({**message, "more_body": True})
            await read_on(exchange.receive)
            await exchange.send({"type": "http.response.body"})

    return send


async def read_on(receive: Receive) -> None:
    """Let a client finish its upload, for a while."""
    try:
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        pass


STATUS_TEXT = {
    502: "The upstream did not give a valid answer.",
    503: "Too many requests are under way. Try again soon.",
    504: "The upstream did not answer in time.",
}
