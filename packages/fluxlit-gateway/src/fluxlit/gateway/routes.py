"""Which part of FluxLit a request is for: a pure function of its path.

The decision is made on the decoded path, the one that FastAPI and Streamlit route by themselves, so that
`/%61pi/users` and `/api/users` are one resource for all.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import normpath

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.peer import PEER, Peer


class Route(enum.StrEnum):
    """Where a request goes."""

    LIVENESS = "liveness"
    READINESS = "readiness"
    API = "api"
    API_DOCS = "api docs"
    ASSET = "asset"
    UI = "ui"
    CLOSED = "closed"


# Streamlit serves these to every client: load figures of the process, a run of the script on demand, and the
# agent interface. Each can be opened by name.
CLOSABLE = {
    "metrics": "/_stcore/metrics",
    "script-health-check": "/_stcore/script-health-check",
    "agent": "/_stcore/agent",
}

PROBES = {"/healthz": Route.LIVENESS, "/readyz": Route.READINESS}
ASSET_FILES = frozenset({"/favicon.png", "/manifest.json"})


@dataclass(frozen=True)
class RouteTable:
    """The paths of one FluxLit application, all without the public mount.

    Attributes:
        api: where the API is mounted, such as ``/api``.
        closed: prefixes that no client may request.
        docs: paths that lead to the API's documentation, each with its path below `api`.
        assets: the gateway serves the files of Streamlit's front end itself.
        api_yields: the API has nothing at `api` itself, and the UI may have a page there.
    """

    api: str
    closed: tuple[str, ...] = ()
    docs: Mapping[str, str] = field(default_factory=dict)
    assets: bool = False
    api_yields: bool = False

    def route(self, kind: str, method: str, path: str) -> Route:
        """Decide.

        Args:
            kind: ``http`` or ``websocket``.
            method: HTTP method; empty for a WebSocket.
            path: decoded path below the public mount.
        """
        api = self.api
        if path.startswith(api) and (len(path) == len(api) or path[len(api)] == "/"):
            below = path[len(api) :]
            if below in ("", "/") and self.api_yields and kind == "http" and method in ("GET", "HEAD"):
                return Route.UI
            probed = PROBES.get(below) if kind == "http" else None
            return probed or Route.API
        if path in self.docs and kind == "http" and method in ("GET", "HEAD"):
            return Route.API_DOCS
        if self.assets and kind == "http" and is_asset(path):
            return Route.ASSET
        if "/." in path or "//" in path:  # as proxies in front of an external Streamlit may read it
            path = "/" + normpath(path).lstrip("/")
        if path.startswith(self.closed):
            for prefix in self.closed:
                if path == prefix or path.startswith(prefix + "/"):
                    return Route.CLOSED
        return Route.UI


def is_asset(path: str) -> bool:
    """Whether a path belongs to the front end; the file need not exist."""
    return path.startswith("/static/") or path in ASSET_FILES


def closed_prefixes(opened: tuple[str, ...]) -> tuple[str, ...]:
    """The prefixes that stay closed.

    Args:
        opened: names of `CLOSABLE` that an operator has opened.
    """
    return tuple(prefix for name, prefix in CLOSABLE.items() if name not in opened)


def below_mount(path: str, mount: str) -> str | None:
    """A path below the public mount, which the edge may have removed.

    Args:
        path: decoded path as it arrived.
        mount: the public mount, such as ``/apps/my-app``; empty for none.

    Returns:
        The rest, which begins with a slash; `None` for the mount itself without its closing slash.
    """
    if not mount:
        return path
    if path == mount:
        return None
    return path[len(mount) :] if path.startswith(mount + "/") else path


@dataclass(slots=True)
class RoutedRequest:
    """A request and the half of the application that it is for.

    Attributes:
        route: what it is for: the API or the UI.
        scope: the request as that is to see it.
        peer: the other end of its connection.
        mount: the public mount.
        path: decoded path below the mount.
        raw: the same, undecoded.
        receive: ASGI's.
        send: ASGI's.
    """

    route: Route
    scope: Scope
    peer: Peer
    mount: str
    path: str
    raw: bytes
    receive: Receive
    send: Send

    @property
    def shown(self) -> Scope:
        """The request as authenticators see it."""
        return {
            **self.scope,
            "root_path": self.mount,
            "path": self.mount + self.path,
            "raw_path": self.mount.encode("ascii") + self.raw,
            PEER: self.peer,
        }
