"""Which headers a proxy passes on: pure functions over raw pairs.

Names arrive in lower case, as ASGI promises. Order and number of fields are kept
(RFC 9110 section 5.3: several Set-Cookie lines cannot be joined).
"""

from __future__ import annotations

from collections.abc import Iterable

from fluxlit._internal.asgi import Header
from fluxlit._internal.header_names import is_own

# Fields that speak about one connection only, listed or not (RFC 9110 section 7.6.1), and the two that
# authenticate to a proxy (11.7): they were meant for us. `trailer` goes because ASGI carries no trailers.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

# Connection cannot remove these (golang/go#50580): framing and routing would change for the next hop. Nor can it remove
# the gateway's own headers.
FRAMING = frozenset({b"content-length", b"host"})

# `expect` is answered by the server in front of the gateway as soon as the body is asked for.
REQUEST_DROPPED = HOP_BY_HOP | {b"expect"}

# The server in front of the gateway writes both for every response; two of them would contradict (RFC 9110 6.6.1).
RESPONSE_DROPPED = HOP_BY_HOP | {b"date", b"server"}

# The upstream handshake has its own headers (RFC 6455 section 4.1); only the subprotocol offer is the browser's.
HANDSHAKE_DROPPED = REQUEST_DROPPED | {
    b"content-length",
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"sec-websocket-key",
    b"sec-websocket-version",
}


def end_to_end(headers: list[Header], dropped: frozenset[bytes]) -> list[Header]:
    """The fields that go on to the next hop.

    Args:
        headers: raw pairs, names in lower case.
        dropped: names that never go on.
    """
    kept = [header for header in headers if header[0] not in dropped]
    if len(kept) == len(headers):  # Most requests have no such header, and so no Connection header either.
        return kept
    lists = [value for name, value in headers if name == b"connection"]
    if not lists:
        return kept
    named = {token.strip().lower() for value in lists for token in value.split(b",")} - FRAMING
    return [header for header in kept if header[0] not in named or is_own(header[0])]


def request_target(raw_path: bytes, query: bytes) -> bytes:
    """The origin-form target as the client wrote it (RFC 9112 section 3.2.1)."""
    return raw_path + b"?" + query if query else raw_path


def request_head(method: str, target: bytes, headers: Iterable[Header]) -> bytes:
    """The first lines of an HTTP/1.1 request (RFC 9112 section 3)."""
    line = method.encode("ascii") + b" " + target + b" HTTP/1.1"
    return b"\r\n".join([line, *map(b": ".join, headers), b"\r\n"])
