"""Which web origins may open a WebSocket to the UI.

A browser sends cookies with a WebSocket handshake from any site, and nothing but Origin tells where the
script came from (RFC 6455 section 10.2). So a foreign origin is refused before anything is dialled. A
client that sends no Origin is no browser, and carries no foreign user's cookies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class OriginPolicy:
    """The origins that are allowed besides the one that the request was sent to.

    Attributes:
        allowed: normalised origins.
    """

    allowed: frozenset[str]

    @classmethod
    def of(cls, origins: Iterable[str], public_base_url: str = "") -> OriginPolicy:
        """Read the settings ``allowed_origins`` and ``public_base_url``."""
        return cls(frozenset(filter(None, (normalised(origin) for origin in (*origins, public_base_url)))))

    def allows(self, origin: str | None, host: str) -> bool:
        """Whether a handshake may go on.

        Args:
            origin: value of the Origin field, `None` if there is none.
            host: value of the Host field of the public address.
        """
        if origin is None:
            return True
        theirs = normalised(origin)
        # The scheme is theirs: an edge that ends TLS may not have told us of it.
        return bool(theirs) and (theirs == normalised(f"{theirs.partition(':')[0]}://{host}") or theirs in self.allowed)


def normalised(origin: str) -> str:
    """Scheme, host and port in one spelling (RFC 6454 section 4); empty for what is no origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return ""
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}"
