"""Access policy: which requests need a user or a role, by route and path.

A pure function. A path that is not declared public needs a user.

==============================================  =======================================================================
request for                                     may be sent by
==============================================  =======================================================================
probes, routes of the login, Streamlit's own    any client
front end, `public_paths`
a public page                                   any client, and with it what such a page needs: the session's WebSocket,
                                                media, uploads, components. The worker decides which page a WebSocket
                                                may run, and the media of which user it may have
a page with roles                               users with one of them
everything else                                 users
==============================================  =======================================================================

A page shows up here by its address alone. All pages of a browser share one WebSocket, so this is not where a page is
protected; it is where a browser is sent to the login or refused before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fluxlit._internal.asgi import Scope, request_header
from fluxlit._internal.streamlit_paths import PROBES, STREAM
from fluxlit.gateway.routes import Route, is_asset

ANYBODY: frozenset[str] = frozenset()

# The front end requests these before it opens the WebSocket; neither depends on the user.
PROBED = frozenset({STREAM, *PROBES})
CODE = ("/component/", "/_stcore/bidi-components/")
BELONGINGS = ("/media/", "/_stcore/upload_file/")

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# With these a caller proves who it is on purpose. A browser adds neither by itself (RFC 9110 section 11.6.2).
DELIBERATE = frozenset({"bearer", "api-key"})


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may send a request, and who may keep the response.

    Attributes:
        user: a login is required.
        roles: of which the user needs one; empty if any user may.
        shared: the response is the same for all clients, so a cache may give it to others. Any other response to a
            user is private, whether or not the path is public.
    """

    user: bool
    roles: frozenset[str] = ANYBODY
    shared: bool = False


PUBLIC = AccessRule(user=False)
LOGIN = AccessRule(user=True)
FRONT_END = AccessRule(user=False, shared=True)


@dataclass(frozen=True)
class AccessPolicy:
    """The public paths and pages, and the roles of pages.

    All paths are without the public mount.

    Attributes:
        pages: public pages.
        roles: page -> the roles of which one is needed.
        paths: further public paths; one that ends in a slash stands for all below it.
        all_pages: every page is public.
        owners_known: the UI runs where FluxLit knows the owners of media and uploads.
        preflights: the API answers other sites (CORS), which first ask without credentials.
    """

    pages: frozenset[str] = frozenset()
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    all_pages: bool = False
    owners_known: bool = True
    preflights: bool = False

    def need(self, route: Route, scope: Scope, path: str) -> AccessRule:
        """Decide.

        Args:
            route: what the request is for: the API or the UI.
            scope: the request.
            path: decoded path below the public mount.
        """
        doubtful = ".." in path  # What it means is decided by others, and not by all of them alike.
        if not doubtful and self._is_public(path):
            return PUBLIC
        if route is Route.API:
            return PUBLIC if self.preflights and is_preflight(scope) else LOGIN
        if doubtful:
            return LOGIN
        page = path.rstrip("/") or "/"
        if roles := self.roles.get(page):
            return AccessRule(user=True, roles=roles)
        if is_asset(path) or (self.pages and path.startswith(CODE)):
            return FRONT_END
        return PUBLIC if page in self.pages or self._serves_public_pages(path) else LOGIN

    def _is_public(self, path: str) -> bool:
        return any(path == public or (public[-1:] == "/" and path.startswith(public)) for public in self.paths)

    def _serves_public_pages(self, path: str) -> bool:
        if not self.pages:
            return False
        if path in PROBED:
            return True
        return path.startswith(BELONGINGS) and (self.owners_known or self.all_pages)


def is_probe(path: str) -> bool:
    """Whether Streamlit's front end probes its server, at any page."""
    return path.endswith(PROBES)


def is_preflight(scope: Scope) -> bool:
    """Whether a request is a CORS preflight (Fetch standard)."""
    return scope.get("method") == "OPTIONS" and request_header(scope, b"access-control-request-method") is not None


def is_navigation(scope: Scope, path: str) -> bool:
    """Whether a person waits for a document, and not a script for data.

    Browsers say so (Fetch Metadata, section 2.2). Of anything else that asks the UI for something it can show, the
    same is assumed, except where Streamlit's scripts do the asking.
    """
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    mode = request_header(scope, b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    accepted = request_header(scope, b"accept") or b"*/*"
    return not path.startswith(("/_stcore/", *BELONGINGS, *CODE)) and (b"text/html" in accepted or b"*/*" in accepted)
