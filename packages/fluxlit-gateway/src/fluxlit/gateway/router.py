"""The gateway: one ASGI application in front of the API and the UI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.header_names import IDENTITY
from fluxlit._internal.peer import Peer
from fluxlit._internal.responses import answer_json, answer_problem, redirect, reply_text
from fluxlit.gateway.forwarding import IS_HOST, NONE, RequestOrigin, Trust, sender
from fluxlit.gateway.origin_policy import UPLOADS, OriginPolicy, RefusedOrigins, with_xsrf_token
from fluxlit.gateway.routes import Route, RoutedRequest, RouteTable, below_mount
from fluxlit.gateway.security_headers import SecureCookies
from fluxlit.observability.request_record import classify
from fluxlit.observability.security_log import FOREIGN_ORIGIN, log_refusal

Guard = Callable[[Application, RoutedRequest], Awaitable[None]]
"""Serves a request by the application, or refuses it: `fluxlit.auth.middleware`."""

_PROBES = (Route.LIVENESS, Route.READINESS)


class Readiness(Protocol):
    """Whether API and UI can serve."""

    @property
    def ready(self) -> bool:
        """It can."""

    @property
    def detail(self) -> str:
        """Why not, for an operator."""


@dataclass
class Gateway:
    """Routes each request to the API, the UI or a response of its own.

    Attributes:
        routes: the paths.
        api: the FastAPI application, or a relay to its workers; may be replaced while the gateway runs.
        ui: the UI; `None` if the application has none.
        readiness: asked for every readiness probe, so it must do no I/O.
        root_path: the public mount.
        trust: which peers may speak for others.
        origins: which may open a WebSocket to the UI.
        assets: serves the files of Streamlit's front end, if `routes.assets` is set.
        guard: decides who may use API and UI; `None` without a login.
        draining: the process is about to stop, which readiness reports.
        embeddable: other sites may embed the UI in a frame.
        refused: the origins of refused WebSockets.
    """

    routes: RouteTable
    api: Application
    ui: Application | None
    readiness: Callable[[], Readiness]
    root_path: str = ""
    trust: Trust = field(default_factory=Trust)
    origins: OriginPolicy = field(default_factory=lambda: OriginPolicy.of(()))
    assets: Application | None = None
    guard: Guard | None = None
    draining: bool = False
    embeddable: bool = False
    refused: RefusedOrigins = field(default_factory=RefusedOrigins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one HTTP request or WebSocket.

        It returns the awaitable of the chosen application: a coroutine around it would be made and resumed for every
        request.
        """
        mount = scope.get("root_path", "") or self.root_path
        path = below_mount(scope["path"], mount) if mount else scope["path"]
        if path is not None and path[:1] != "/":  # `OPTIONS *` asks about the server, not about a resource of it.
            return reply_text(scope, send, 400, "The request is for no path.")
        if path is None:
            return redirect(scope, send, with_query(f"{mount}/", scope["query_string"]))
        route = self.routes.route(scope["type"], scope.get("method", ""), path)
        classify(scope, route)
        host = single_host(scope)
        if host is None:
            scope = with_full_host(scope)
            host = single_host(scope)
        if host is None:
            refuse = answer_problem if route is Route.API else reply_text
            return refuse(scope, send, 400, "The request needs exactly one valid Host header.")
        if route is Route.UI:
            return self._to_ui(scope, receive, send, mount, path, host)
        if route is Route.API:
            return self._to_api(scope, receive, send, mount, path, host)
        return self._answer(route, scope, receive, send, mount, path)

    async def _answer(self, route: Route, scope: Scope, receive: Receive, send: Send, mount: str, path: str) -> None:
        if route is Route.ASSET and self.assets is not None:
            await self.assets({**scope, "path": path, "root_path": ""}, receive, send)
        elif route in _PROBES and scope["method"] not in ("GET", "HEAD"):
            allowed = [(b"allow", b"GET, HEAD")]
            await answer_problem(scope, send, 405, "Probes are read with GET or HEAD.", headers=allowed)
        elif route is Route.LIVENESS:
            await answer_json(scope, send, 200, {"status": "ok"})
        elif route is Route.READINESS:
            await self._answer_readiness(scope, send)
        elif route is Route.API_DOCS:
            docs = f"{mount}{self.routes.api}{self.routes.docs[path]}"
            await redirect(scope, send, with_query(docs, scope["query_string"]))
        else:
            await reply_text(scope, send, 404, "There is nothing at this address.")

    async def _answer_readiness(self, scope: Scope, send: Send) -> None:
        if self.draining:
            await answer_json(scope, send, 503, {"status": "not_ready", "detail": "draining"})
        elif (readiness := self.readiness()).ready:
            streamlit = "not_configured" if self.ui is None else "ok"
            await answer_json(scope, send, 200, {"status": "ready", "streamlit": streamlit})
        else:
            await answer_json(scope, send, 503, {"status": "not_ready", "detail": readiness.detail})

    def _to_ui(self, scope: Scope, receive: Receive, send: Send, mount: str, path: str, host: bytes) -> Awaitable[None]:
        if self.ui is None:
            return reply_text(scope, send, 404, "Not found: this application has no pages.")
        who = sender(scope, host, self.trust)
        if scope["type"] == "websocket":
            origin, named = header(scope, b"origin"), who.host.decode("ascii")
            if not self.origins.allows(origin, named, who.scheme):
                log_refusal(403, FOREIGN_ORIGIN, None, {**scope, "client": who.client})
                trusted = bool(self.trust) and peer_of(scope, self.trust).trusted
                self.refused.log(origin or "", named, who.scheme, believes_proxies=trusted)
                return reply_text(scope, send, 403, "This origin may not open a WebSocket here.")
        elif who.scheme == "https" or self.origins.public:
            send = SecureCookies(send)
        seen = located(scope, who, self.root_path, self._raw_below(scope, mount, path), path)
        seen["headers"] = [*seen["headers"], *who.forwarding_headers(mount or who.prefix)]
        if self.embeddable and scope["type"] == "http" and path.startswith(UPLOADS):
            seen["headers"] = with_xsrf_token(seen["headers"], self.origins, who.host.decode("ascii"), who.scheme)
        if self.guard is None:
            return self.ui(seen, receive, send)
        public = mount or who.prefix
        raw = self._raw_below(scope, mount, path)
        routed = RoutedRequest(Route.UI, seen, peer_of(scope, self.trust), public, path, raw, receive, send)
        return self.guard(self.ui, routed)

    def _to_api(
        self, scope: Scope, receive: Receive, send: Send, mount: str, path: str, host: bytes
    ) -> Awaitable[None]:
        who = sender(scope, host, self.trust, kept=IDENTITY.__contains__ if self.guard is None else NONE)
        raw = self._raw_below(scope, mount, path)
        mount = mount or who.prefix
        seen = located(scope, who, mount, raw, path)
        seen["root_path"] = mount + self.routes.api
        if who.continued:  # what an API finds behind the same proxy without FluxLit
            seen["headers"] = [*seen["headers"], *who.forwarding_headers(mount)]
        if self.guard is None:
            return self.api(seen, receive, send)
        routed = RoutedRequest(Route.API, seen, peer_of(scope, self.trust), mount, path, raw, receive, send)
        return self.guard(self.api, routed)

    def _raw_below(self, scope: Scope, mount: str, path: str) -> bytes:
        """The undecoded path below the mount: byte for byte what the client wrote."""
        raw: bytes | None = scope.get("raw_path")
        if raw is None:
            return quote(path, safe="/~!$&'()*+,;=:@%").encode("ascii")
        return raw if len(path) == len(scope["path"]) else raw_after(raw, len(mount))


def located(scope: Scope, who: RequestOrigin, mount: str, raw: bytes, path: str) -> Scope:
    """A scope with its full public path, as an edge may have shortened it.

    ASGI wants `path` to begin with `root_path`, and Starlette's mounts rely on it.
    """
    seen = {**scope}
    seen["path"] = mount + path
    seen["raw_path"] = mount.encode("ascii") + raw if mount else raw
    seen["root_path"] = mount
    seen["scheme"] = who.scheme if scope["type"] == "http" else "wss" if who.scheme == "https" else "ws"
    seen["client"] = who.client
    seen["headers"] = who.headers
    return seen


def peer_of(scope: Scope, trust: Trust) -> Peer:
    """The other end of the connection, for authenticators."""
    client = scope.get("client")
    address = client[0] if client else ""
    return Peer(address, bool(trust) and trust.trusts(address), scope["headers"])


def raw_after(raw: bytes, characters: int) -> bytes:
    """The rest of an undecoded path after a number of ASCII characters.

    A client may encode what it likes (RFC 3986 section 6.2.2.2), so the mount is counted off, not compared.
    """
    at = 0
    for _ in range(characters):
        at += 3 if raw[at : at + 1] == b"%" else 1
    return raw[at:]


def single_host(scope: Scope) -> bytes | None:
    """The only, valid Host (RFC 9112 section 3.2); `None` if there is none."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return hosts[0] if len(hosts) == 1 and IS_HOST[hosts[0]] else None


def with_full_host(scope: Scope) -> Scope:
    """A scope with the host that its client left out, by the server's name.

    HTTP/1.0 knows no Host, some load balancers probe with an empty one (RFC 9110 section 7.2), and a port may be empty
    (RFC 3986 section 3.2.3).
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if hosts == [b""] or (not hosts and scope.get("http_version") == "1.0"):
        name, port = scope.get("server") or ("localhost", None)
        name = f"[{name}]" if ":" in name else "localhost" if name.startswith("/") else name
        host = f"{name}:{port}".encode() if port else name.encode()
    elif len(hosts) == 1:
        host = hosts[0].removesuffix(b":")
    else:
        return scope
    return {**scope, "headers": [(b"host", host), *(field for field in scope["headers"] if field[0] != b"host")]}


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a header; several values are joined."""
    values = [value for field_name, value in scope["headers"] if field_name == name]
    return b", ".join(values).decode("latin-1") if values else None


def with_query(path: str, query: bytes) -> bytes:
    """A location with the query kept."""
    return path.encode("ascii") + (b"?" + query if query else b"")
