"""Calls of pages to the API, seen as requests of the visitor.

Pages call over a private UNIX socket, which has no public name, no scheme and no address. An API that works for
browsers expects all three: `request.client.host`, `TrustedHostMiddleware`, `HTTPSRedirectMiddleware`, links. So the
forwarding headers of the visitor's session, which the gateway wrote, travel with each call. The public address is that
of `public_base_url`, else that of the visitor; without a visitor, in a thread of a page's own, that of the listener.
"""

from __future__ import annotations

from collections.abc import Awaitable
from urllib.parse import urlsplit

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send, request_header, response_headers
from fluxlit._internal.header_names import FORWARDING
from fluxlit.gateway.forwarding import RequestOrigin, Trust, trusted_origin
from fluxlit.urls import PublicAddress

LOOPBACK = ("127.0.0.1", 0)
"""The client where no visitor is known: the page is on this machine."""


class PageCalls:
    """Gives each call the address of its visitor.

    Args:
        application: the API.
        address: what the server knows of its own address.
        trust: which hops of a visitor's chain are proxies.
    """

    def __init__(self, application: Application, address: PublicAddress, trust: Trust) -> None:
        self._application = application
        self._address = address
        self._trust = trust

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one call."""
        origin = self._origin(scope)
        received = request_header(scope, b"host") or b""
        root_path = self._address.settings.root_path
        mount = root_path or origin.prefix
        path, raw = scope["path"], scope.get("raw_path") or scope["path"].encode()
        if mount != root_path:  # a prefix that an edge has removed
            path, raw = mount + path, mount.encode("ascii") + raw
        scheme = origin.scheme if scope["type"] == "http" else "wss" if origin.scheme == "https" else "ws"
        seen = {
            **scope,
            "headers": origin.headers,
            "client": origin.client or LOOPBACK,
            "scheme": scheme,
            "root_path": mount,
            "path": path,
            "raw_path": raw,
        }
        public = f"{origin.scheme}://".encode() + origin.host + mount.encode("ascii")
        return self._application(seen, receive, within(send, public, b"http://" + received + root_path.encode("ascii")))

    def _origin(self, scope: Scope) -> RequestOrigin:
        known = urlsplit(self._address.base)
        host = known.netloc.encode("ascii")
        headers = [(name, host if name == b"host" else value) for name, value in scope["headers"]]
        found = [field for field in headers if field[0] in FORWARDING]
        rest = [field for field in headers if field[0] not in FORWARDING]
        origin = RequestOrigin(rest, host, known.scheme, None, b"")
        if found:
            origin = trusted_origin(origin, found, "", self._trust)
        if public := self._address.settings.public_base_url:
            named = urlsplit(public)
            origin.scheme, origin.host, origin.prefix = named.scheme, named.netloc.encode("ascii"), ""
            origin.headers = [(name, origin.host if name == b"host" else value) for name, value in origin.headers]
        return origin


def within(send: Send, public: bytes, private: bytes) -> Send:
    """A `send` that keeps redirects within the API on the private socket.

    Args:
        send: ASGI's.
        public: the beginning of public addresses.
        private: what stands for it where the client connects.
    """

    def redirecting(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start" and 300 <= message["status"] < 400:
            headers = [
                (name, private + value[len(public) :])
                if name.lower() == b"location" and value.startswith(public + b"/")
                else (name, value)
                for name, value in response_headers(message)
            ]
            message = {**message, "headers": headers}
        return send(message)

    return redirecting
