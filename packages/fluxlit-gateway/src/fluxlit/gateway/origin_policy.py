"""Web origins: which may connect, and which is the application's own.

A browser sends cookies with a WebSocket handshake from any site, and only Origin shows where the
script came from (RFC 6455 section 10.2). So a foreign origin is refused before anything is dialled. A
client that sends no Origin is no browser, and carries no foreign user's cookies.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fluxlit._internal.asgi import Header, Scope, request_header
from fluxlit._internal.peer import PEER, Peer, is_loopback

logger = logging.getLogger("fluxlit.gateway")

DEFAULT_PORTS = {"http": 80, "https": 443}

MOST_LOGGED = 100
"""Refused origins that are logged; a client can send as many as it likes."""

MAX_ORIGIN = 200


@dataclass(frozen=True)
class OriginPolicy:
    """The allowed origins, besides the one of the request itself.

    Attributes:
        allowed: normalised origins.
        public: the application's own, if it is known to be reached over TLS; else empty.
    """

    allowed: frozenset[str]
    public: str = ""

    @classmethod
    def of(cls, origins: Iterable[str], public_base_url: str = "") -> OriginPolicy:
        """Read the settings ``allowed_origins`` and ``public_base_url``."""
        public = normalised(public_base_url) if public_base_url.startswith("https:") else ""
        return cls(frozenset(filter(None, (normalised(origin) for origin in (*origins, public_base_url)))), public)

    def allows(self, origin: str | None, host: str, scheme: str) -> bool:
        """Whether a request from a page may be carried out.

        Args:
            origin: value of `Origin`, `None` if there is none.
            host: value of `Host` at the public address.
            scheme: of the public address, as far as it is known. An edge that ends TLS may not report it, so only
                `https` and `wss` are certain.
        """
        if origin is None:
            return True
        theirs = normalised(origin)
        if not theirs or theirs in self.allowed:
            return bool(theirs)
        secure = normalised(f"https://{host}")
        if scheme in ("https", "wss") or (self.public and secure == self.public):
            return theirs == secure
        return theirs == normalised(f"{theirs.partition(':')[0]}://{host}")


class RefusedOrigins:
    """Logs each refused origin once, with the remedy."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def log(self, origin: str, host: str, scheme: str, *, believes_proxies: bool) -> None:
        """Log a refusal, unless its origin was logged before.

        Args:
            origin: value of `Origin`.
            host: value of `Host` at the public address, as far as it is known.
            scheme: of that address.
            believes_proxies: the request came from a trusted proxy.
        """
        known = normalised(origin) or "invalid"
        if known in self._logged or len(self._logged) >= MOST_LOGGED:
            return
        self._logged.add(known)
        remedy = "If it is another application's, add it to FLUXLIT_ALLOWED_ORIGINS."
        if not believes_proxies:
            remedy += (
                " If it is this application's own, the proxy in front of it has replaced Host: set "
                "FLUXLIT_PUBLIC_BASE_URL, or FLUXLIT_TRUST_PROXY with FLUXLIT_FORWARDED_ALLOW_IPS."
            )
        logger.warning(
            "A WebSocket from the origin %r was refused: the application's own is %s://%s. %s",
            origin[:MAX_ORIGIN],
            "https" if scheme in ("https", "wss") else "http",
            host,
            remedy,
        )


def normalised(origin: str) -> str:
    """An origin in one spelling (RFC 6454 section 4); empty if it is none."""
    try:
        parts = urlsplit(origin)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return ""
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}"


UPLOADS = "/_stcore/upload_file/"

_XSRF_COOKIE = b"_streamlit_xsrf"
_XSRF_TOKEN = b"00"
"""Any token does: Streamlit compares that of the header with that of the cookie."""


def with_xsrf_token(headers: list[Header], origins: OriginPolicy, host: str, scheme: str) -> list[Header]:
    """The headers of an upload, with an XSRF token if Origin proves it.

    In the frame of another site the browser keeps the token's cookie back. Origin shows the same as the token: which
    site's script sends the request.

    Args:
        headers: of the request.
        origins: which sites may send it.
        host: value of `Host` at the public address.
        scheme: of that address.
    """
    found = [value for name, value in headers if name == b"origin"]
    has_cookie = any(name == b"cookie" and _XSRF_COOKIE in value for name, value in headers)
    if has_cookie or len(found) != 1 or not origins.allows(found[0].decode("latin-1"), host, scheme):
        return headers
    kept = [field for field in headers if field[0] != b"x-xsrftoken"]
    return [*kept, (b"cookie", _XSRF_COOKIE + b"=" + _XSRF_TOKEN), (b"x-xsrftoken", _XSRF_TOKEN)]


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class PublicOrigin:
    """The origin under which a browser knows the application, if known.

    A login sends the browser away with this address to come back to. So Host is trusted only from a trusted proxy, or
    on this machine: any other client could write one that leads to a server of its own.

    Attributes:
        configured: by the operator; empty for none.
    """

    configured: str

    @classmethod
    def of(cls, public_base_url: str) -> PublicOrigin:
        """Read the setting ``public_base_url``."""
        parts = urlsplit(public_base_url)
        return cls(f"{parts.scheme}://{parts.netloc}" if public_base_url else "")

    def __call__(self, scope: Scope) -> str | None:
        """The origin of one request.

        Args:
            scope: the request as an authenticator sees it.
        """
        if self.configured:
            return self.configured
        peer: Peer = scope[PEER]
        host = (request_header(scope, b"host") or b"").decode("ascii")
        is_near = not peer.address or is_loopback(peer.address)  # A peer on a UNIX socket has no address.
        if not (peer.trusted or (is_near and urlsplit(f"//{host}").hostname in LOOPBACK)):
            return None
        return f"{'https' if scope['scheme'] in ('https', 'wss') else 'http'}://{host}"
