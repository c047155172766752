"""Forwarding headers: where a request comes from, for the next hop.

A client may write anything into them, so by default all are removed and written anew from what the gateway sees.
Only a peer that is listed as a trusted proxy is trusted, and then the chain is continued, not replaced (RFC 7239
section 4; X-Forwarded-* by convention).

Headers that name a user are always removed: identity from a proxy is configured elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fluxlit._internal.asgi import Header, Scope
from fluxlit._internal.header_names import is_from_proxy
from fluxlit.gateway.header_cache import HeaderCache

HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\Z")
PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+\Z")
SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
DEFAULT_PORTS = {"http": b"80", "https": b"443"}
PORT = re.compile(rb":([0-9]+)\Z")
MAX_PORT_DIGITS = 5
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
QUOTE, BACKSLASH = b'"\\'
MAX_FORWARDED = 4096
"""Bytes of all Forwarded headers of a request: some dozens of hops."""
MAX_PROXIES = 32
"""Trusted hops that are passed on the way to the client: each is looked up among the networks of proxies."""
MAX_CACHED_CHAIN = 256
MAX_HOST = 255 + len(":65535")
"""Bytes of a Host: a domain name has at most 255 (RFC 1035 section 2.3.4)."""
UNIX = "unix"


FROM_PROXY = HeaderCache(is_from_proxy)
IS_HOST = HeaderCache(lambda value: len(value) <= MAX_HOST and HOST.match(value) is not None)
"""Whether a value of Host has the form of RFC 9110 section 7.2."""

NONE: Callable[[bytes], bool] = frozenset[bytes]().__contains__


@dataclass(frozen=True)
class Trust:
    """The peers with forwarding headers that are accepted.

    Attributes:
        networks: addresses of trusted proxies.
        unix: a peer on a UNIX socket, which has no address, is trusted.
        all_peers: every peer is; only if `*` was written.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False
    all_peers: bool = False

    @classmethod
    def of(cls, *, enabled: bool, allowed: Sequence[str]) -> Trust:
        """Read the settings ``trust_proxy`` and ``forwarded_allow_ips``.

        Raises:
            ValueError: an entry is no address, network, ``unix`` or ``*``.
        """
        if not enabled:
            return cls()
        networks = tuple(ip_network(entry, strict=False) for entry in allowed if entry not in (UNIX, "*"))
        return cls(networks, UNIX in allowed, "*" in allowed)

    def __bool__(self) -> bool:
        return bool(self.networks) or self.unix or self.all_peers

    def trusts(self, peer: str) -> bool:
        """Whether a peer is a trusted proxy.

        Args:
            peer: its IP address; empty for a UNIX socket.
        """
        if self.all_peers:
            return True
        if not peer:
            return self.unix
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        # A socket for both families writes IPv4 peers as ::ffff:192.0.2.1 (RFC 4291 section 2.5.5.2).
        plain = (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
        return any(plain in network for network in self.networks)


@dataclass(slots=True)  # not frozen: making one would take three times as long
class RequestOrigin:
    """The origin of a request: client, scheme, host and forwarding chain.

    Attributes:
        headers: of the request without those that a proxy writes, and with `host`.
        host: `Host` of the public address.
        scheme: ``http`` or ``https``, also for a WebSocket.
        client: the client's address and port; `None` on a UNIX socket.
        chain: value of X-Forwarded-For for the next hop.
        prefix: path that a trusted edge has removed.
        continued: a trusted proxy has sent forwarding headers.
    """

    headers: list[Header]
    host: bytes
    scheme: str
    client: tuple[str, int] | None
    chain: bytes
    prefix: str = ""
    continued: bool = False

    def forwarding_headers(self, root_path: str) -> tuple[Header, ...]:
        """The headers for the next hop.

        Args:
            root_path: the public path under which the application is mounted.
        """
        find = forwarding_fields if len(self.chain) <= MAX_CACHED_CHAIN else forwarding_fields.__wrapped__
        return find(self.scheme, self.host, self.chain, root_path)


@lru_cache(maxsize=1024)
def forwarding_fields(scheme: str, host: bytes, chain: bytes, root_path: str) -> tuple[Header, ...]:
    """The headers for one origin; most requests share a few."""
    port = PORT.search(host)
    headers = [
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", host),
        (b"x-forwarded-port", port[1] if port else DEFAULT_PORTS[scheme]),
    ]
    if chain:
        headers.append((b"x-forwarded-for", chain))
    if root_path:
        headers.append((b"x-forwarded-prefix", root_path.encode()))
    return tuple(headers)


def sender(scope: Scope, host: bytes, trust: Trust, *, kept: Callable[[bytes], bool] = NONE) -> RequestOrigin:
    """Determine the origin of a request.

    Args:
        scope: an ASGI HTTP or WebSocket scope.
        host: its `Host`.
        trust: the trusted proxies.
        kept: names that stay although a proxy may send them.
    """
    client = scope.get("client")
    peer = client[0] if client else ""
    headers: list[Header] = scope["headers"]
    scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
    found = [field for field in headers if FROM_PROXY[field[0]]]
    if not found:
        return RequestOrigin(headers, host, scheme, client, peer.encode())
    rest = [field for field in headers if not FROM_PROXY[field[0]] or kept(field[0])]
    seen = RequestOrigin(rest, host, scheme, client, peer.encode())
    return trusted_origin(seen, found, peer, trust) if trust and trust.trusts(peer) else seen


def trusted_origin(seen: RequestOrigin, fields: list[Header], peer: str, trust: Trust) -> RequestOrigin:
    """The origin of a request by the forwarding headers of a trusted peer.

    Args:
        seen: the origin without them.
        fields: these headers.
        peer: address of the peer; empty on a UNIX socket.
        trust: which earlier hops are proxies too.
    """
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    hops = _list(found.get(b"x-forwarded-for", ()))
    # An edge that writes X-Forwarded-For may pass on what a client wrote into Forwarded.
    elements = [] if b"x-forwarded-for" in found else forwarded_elements(found.get(b"forwarded", ()))
    named = hops or [element[b"for"] for element in elements if b"for" in element]
    hops = hops or [node(name) for name in named]
    nearest = elements[-1] if elements else {}
    proto = _last(found, b"x-forwarded-proto") or nearest.get(b"proto", b"")
    host = _last(found, b"x-forwarded-host") or nearest.get(b"host", b"")
    if not IS_HOST[host]:
        host = seen.host
    port = _last(found, b"x-forwarded-port")
    scheme = SCHEMES.get(proto.lower(), seen.scheme)
    if port.isdigit() and len(port) <= MAX_PORT_DIGITS and not PORT.search(host) and port != DEFAULT_PORTS[scheme]:
        host = host + b":" + port
    prefix = _last(found, b"x-forwarded-prefix").rstrip(b"/")
    return RequestOrigin(
        headers=with_host(seen.headers, host),
        host=host,
        scheme=scheme,
        client=_client(named, trust) or seen.client,
        chain=b", ".join([*hops, peer.encode()] if peer else hops),
        prefix=prefix.decode() if PREFIX.match(prefix) and b"/." not in prefix else "",
        continued=True,
    )


def with_host(headers: list[Header], host: bytes) -> list[Header]:
    """Headers with another Host."""
    return [(name, host if name == b"host" else value) for name, value in headers]


def _client(hops: list[bytes], trust: Trust) -> tuple[str, int] | None:
    """The nearest hop that is no trusted proxy; hops before it may be forged."""
    farthest = None
    for hop in reversed(hops[-MAX_PROXIES:]):
        text = node(hop).decode("latin-1")
        try:
            ip_address(text)
        except ValueError:
            return None
        farthest = text, _port(hop)
        if not trust.trusts(text):
            break
    return farthest


def _port(hop: bytes) -> int:
    """The port of a node, which some proxies append; 0 if it has none."""
    port = PORT.search(hop) if hop.startswith(b"[") or hop.count(b":") == 1 else None
    return int(port[1]) if port and len(port[1]) <= MAX_PORT_DIGITS else 0


def _list(values: Iterable[bytes]) -> list[bytes]:
    return [item.strip() for value in values for item in value.split(b",") if item.strip()]


def _last(found: dict[bytes, list[bytes]], name: bytes) -> bytes:
    """The value that the nearest proxy wrote."""
    items = _list(found.get(name, ()))
    return items[-1] if items else b""


def forwarded_elements(values: Sequence[bytes]) -> list[dict[bytes, bytes]]:
    """The elements of Forwarded, farthest hop first (RFC 7239 section 4).

    A header with a quoted string that is never closed has no elements; nor do headers that are too long together.
    """
    if sum(map(len, values)) > MAX_FORWARDED:
        return []
    parts = [part for value in values for part in split_unquoted(value, b",") if part.strip()]
    return [dict(map(_parameter, split_unquoted(part, b";"))) for part in parts]


def split_unquoted(value: bytes, separator: bytes) -> list[bytes]:
    """Split outside of quoted strings (RFC 9110 section 5.6.4).

    Args:
        value: at which each byte is looked once: a regular expression for this backtracks.
        separator: one byte.

    Returns:
        The parts, none if a quoted string is not closed.
    """
    parts: list[bytes] = []
    begin = 0
    quoted = escaped = False
    for at, byte in enumerate(value):
        if escaped:
            escaped = False
        elif byte == QUOTE:
            quoted = not quoted
        elif quoted:
            escaped = byte == BACKSLASH
        elif byte == separator[0]:
            parts.append(value[begin:at])
            begin = at + 1
    return [] if quoted else [*parts, value[begin:]]


def _parameter(pair: bytes) -> tuple[bytes, bytes]:
    name, _, value = pair.partition(b"=")
    value = value.strip()
    if value[:1] == b'"' == value[-1:]:
        value = ESCAPED.sub(rb"\1", value[1:-1])
    return name.strip().lower(), value


def node(text: bytes) -> bytes:
    """The address of a node, without port and brackets (RFC 7239 section 6)."""
    if text.startswith(b"["):
        return text[1:].partition(b"]")[0]
    return text.partition(b":")[0] if text.count(b":") == 1 else text
