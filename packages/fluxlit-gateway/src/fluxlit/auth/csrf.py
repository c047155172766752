"""CSRF check of requests that a browser authenticates by itself.

A browser adds cookies, and a proxy its user, to all that another site makes it send. `SameSite=Lax` keeps most of that
away, but not what sibling sites of one domain send, nor every old browser. So a call that may change something must
show where it comes from (OWASP ASVS 5.0, 3.5.1; RFC 10017, "Cross-Site Request Forgery"):

1. Sec-Fetch-Site is `same-origin`, or `none`: a browser writes it, no script can (Fetch Metadata, section 2.1);
2. else Origin is the application's own, or one of those that an operator has allowed;
3. else, without either, the header `X-FluxLit-CSRF` is there. Another site's script may not send it: it would have to
   ask first (CORS), and is refused. This is for programs that keep a cookie.

A WebSocket that such a browser opens must show the same, by Origin: all browsers send it (RFC 6455 section 10.2).
"""

from __future__ import annotations

from fluxlit._internal.asgi import Scope, request_header
from fluxlit.auth.access_policy import SAFE
from fluxlit.auth.contract import Peer
from fluxlit.gateway.origin_policy import OriginPolicy

MARK = b"x-fluxlit-csrf"

MISSING = (
    "This call is authenticated by a cookie, so it has to show that it comes from the application itself: by "
    "Sec-Fetch-Site or Origin, as browsers send them, or by the header X-FluxLit-CSRF with any value."
)


def is_proven(scope: Scope, peer: Peer, origins: OriginPolicy) -> bool:
    """Whether a request that a browser signed by itself may be carried out.

    Args:
        scope: the request with its public Host.
        peer: what it came from, with every header.
        origins: who else may send such requests.
    """
    if scope["type"] == "http" and scope["method"] in SAFE:
        return True
    site = request_header(scope, b"sec-fetch-site")
    if site in (b"same-origin", b"none"):
        return True
    origin = request_header(scope, b"origin")
    if origin is not None:
        host = request_header(scope, b"host") or b""
        return origins.allows(origin.decode("latin-1"), host.decode("latin-1"), scope["scheme"])
    if scope["type"] == "websocket":
        return site is None  # No browser: they send Origin with every handshake.
    return site is None and any(name == MARK for name, _ in peer.headers)
