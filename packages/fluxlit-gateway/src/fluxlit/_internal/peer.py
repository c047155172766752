"""The other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

PEER = "fluxlit.peer"
"""Key of the `Peer` in the ASGI scope that an authenticator sees."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of the connection, as the gateway sees it.

    Attributes:
        address: its IP address; empty on a UNIX socket.
        trusted: it is a proxy of `forwarded_allow_ips`, and `trust_proxy` is on. Only then may it name a user.
        headers: every field that it sent, also those that the scope's `headers` lack because they name a user.
    """

    address: str
    trusted: bool
    headers: list[tuple[bytes, bytes]]


def is_loopback(address: str) -> bool:
    """Whether an IP address, with or without a zone, is of this machine."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def client_network(address: str) -> str:
    """What one client has: an IPv4 address, or an IPv6 network of 64 bits.

    Limits count by it: in IPv6 every client can choose among 2**64 addresses (RFC 6177).
    """
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
