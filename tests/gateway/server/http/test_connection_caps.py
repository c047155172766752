"""Caps on open connections: in total, and for one address."""

from __future__ import annotations

from fluxlit.server.http.connection_caps import ConnectionCaps
from fluxlit.server.serve import connection_caps
from fluxlit.settings import Settings


def test_one_address_has_a_cap_of_its_own() -> None:
    caps = ConnectionCaps(per_address=2)
    assert [caps.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert caps.enter("192.0.2.2")
    caps.leave("192.0.2.1")
    caps.leave("192.0.2.1")
    assert caps.enter("192.0.2.1")


def test_a_network_of_64_bits_is_one_client() -> None:
    """In IPv6 a client can change its address as it likes (RFC 6177)."""
    caps = ConnectionCaps(per_address=2)
    assert [caps.enter(f"2001:db8:0:1::{number:x}") for number in range(3)] == [True, True, False]
    assert caps.enter("2001:db8:0:2::1")
    assert [caps.enter(f"::ffff:192.0.2.{number}") for number in range(3)] == [True, True, True]
    caps.leave("2001:db8:0:1::0")
    caps.leave("2001:db8:0:1::2")
    assert caps.enter("2001:db8:0:1::9")


def test_a_proxy_shares_no_cap_with_its_neighbours() -> None:
    caps = ConnectionCaps(per_address=1, exempt="fd00::1".__eq__)
    assert all(caps.enter("fd00::1") for _ in range(3))
    assert [caps.enter("fd00::2"), caps.enter("fd00::3")] == [True, False]


def test_without_limits_everything_is_within_them() -> None:
    caps = ConnectionCaps()
    assert all(caps.enter("192.0.2.1") for _ in range(10_000))


def test_edges_and_this_machine_share_only_the_cap_for_all() -> None:
    """An edge has as many connections as all of its clients together."""
    caps = connection_caps(
        Settings(
            trust_proxy=True,
            forwarded_allow_ips=("192.0.2.0/24",),
            gateway_max_connections_per_address=1,
            gateway_max_connections=9,
        )
    )
    assert [caps.enter("198.51.100.1") for _ in range(2)] == [True, False]
    assert all(caps.enter(address) for address in ("192.0.2.1", "127.0.0.1", "") for _ in range(2))
    assert not [caps.enter("127.0.0.1") for _ in range(2)][-1]
