"""Which peers are trusted, and what the next hop receives.

Rules 8 and 9 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

from typing import Any

import pytest

from fluxlit._internal.header_names import is_from_proxy
from fluxlit.gateway.forwarding import RequestOrigin, Trust, forwarded_elements, node, sender
from fluxlit_auth import TrustedProxy
from fluxlit_deploy.edges.headers import NAMES, ROUTE
from tests.gateway.gateway.asking import Field, scope_of

IDENTITY = frozenset(name.lower().encode() for name in (*NAMES, *ROUTE))
EDGE = ("10.1.2.3", 5000)
EVERY = [
    (b"x-forwarded-for", b"1.1.1.1"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-port", b"444"),
    (b"x-forwarded-prefix", b"/evil"),
    (b"x-forwarded-user", b"root"),
    (b"x-forwarded-whatever", b"1"),
    (b"forwarded", b"for=1.1.1.1;host=evil.example;proto=https"),
    (b"x-real-ip", b"1.1.1.1"),
    (b"x-client-ip", b"1.1.1.1"),
    (b"true-client-ip", b"1.1.1.1"),
    (b"cf-connecting-ip", b"1.1.1.1"),
    (b"x_forwarded_for", b"1.1.1.1"),
    (b"x-forwarded_proto", b"https"),
    (b"x_real_ip", b"1.1.1.1"),
    (b"remote_user", b"root"),
    *((name, b"root") for name in sorted(IDENTITY)),
]


def seen(*fields: Field, trust: Trust, client: tuple[str, int] | None = EDGE, **changes: Any) -> RequestOrigin:
    scope = scope_of("/", *fields, client=client, **changes)
    return sender(scope, b"public.example", trust)


def trusting(*allowed: str) -> Trust:
    return Trust.of(enabled=True, allowed=allowed)


@pytest.mark.parametrize(
    "trust", [Trust.of(enabled=False, allowed=["*"]), trusting("127.0.0.1", "::1"), trusting("10.2.0.0/16")]
)
def test_rule_08_what_a_stranger_says_about_the_sender_is_removed_and_written_anew(trust: Trust) -> None:
    """Trust off, or on for another peer.

    X-Forwarded-*, Forwarded, X-Real-IP and identities, underscores too.
    """
    who = seen(*EVERY, (b"x-custom", b"1"), trust=trust)
    assert who.headers == [(b"host", b"public.example"), (b"x-custom", b"1")]
    assert who.client == EDGE
    assert dict(who.forwarding_headers("/mount")) == {
        b"x-forwarded-proto": b"http",
        b"x-forwarded-host": b"public.example",
        b"x-forwarded-port": b"80",
        b"x-forwarded-for": b"10.1.2.3",
        b"x-forwarded-prefix": b"/mount",
    }


@pytest.mark.parametrize("allowed", [["10.1.2.3"], ["10.0.0.0/8"], ["127.0.0.1", "10.1.2.0/24"], ["*"]])
def test_rule_08_a_trusted_edge_is_believed_and_its_chain_continued(allowed: list[str]) -> None:
    """Addresses, networks, and every peer if that was written."""
    who = seen(*EVERY, trust=trusting(*allowed))
    fields = dict(who.forwarding_headers(""))
    assert fields[b"x-forwarded-for"] == b"1.1.1.1, 10.1.2.3"
    assert fields[b"x-forwarded-proto"] == b"https"
    assert fields[b"x-forwarded-host"] == b"evil.example:444"
    assert fields[b"x-forwarded-port"] == b"444"
    assert (who.client, who.prefix) == (("1.1.1.1", 0), "/evil")


@pytest.mark.parametrize("trust", [trusting("*"), trusting("10.1.2.3"), Trust()])
def test_rule_09_identities_are_removed_whoever_sends_them(trust: Trust) -> None:
    """No proxy identity is configured here, so no peer may name a user.

    See GHSA-7r4p-vjf4-gxv4.
    """
    who = seen(*((name, b"root") for name in IDENTITY), (b"X-Forwarded-User".lower(), b"root"), trust=trust)
    assert who.headers == [(b"host", b"public.example")]


def test_rule_08_a_look_alike_with_underscores_is_never_believed() -> None:
    """RFC 3875 section 4.1.18 makes one name of both."""
    who = seen((b"x_forwarded_for", b"6.6.6.6"), (b"x_forwarded_proto", b"https"), trust=trusting("*"))
    assert (who.client, who.scheme, who.headers) == (EDGE, "http", [(b"host", b"public.example")])


@pytest.mark.parametrize(
    ("allowed", "trusted"),
    [(["127.0.0.1"], False), (["*"], True), (["unix"], True), (["unix", "10.0.0.0/8"], True), (["10.0.0.0/8"], False)],
)
def test_rule_08_a_peer_on_a_unix_socket_has_a_rule_of_its_own(allowed: list[str], trusted: bool) -> None:
    """It has no address; `unix` stands for it."""
    who = seen((b"x-forwarded-for", b"1.1.1.1"), trust=trusting(*allowed), client=None)
    assert (who.client == ("1.1.1.1", 0)) is trusted


@pytest.mark.parametrize(
    ("chain", "allowed", "client"),
    [
        (b"1.1.1.1", ["10.0.0.0/8"], "1.1.1.1"),
        (b"6.6.6.6, 1.1.1.1", ["10.0.0.0/8"], "1.1.1.1"),
        (b"6.6.6.6, 1.1.1.1, 10.9.9.9", ["10.0.0.0/8"], "1.1.1.1"),
        (b"10.7.7.7, 10.9.9.9", ["10.0.0.0/8"], "10.7.7.7"),
        (b"6.6.6.6, 1.1.1.1", ["*"], "6.6.6.6"),
        (b"1.1.1.1:5000", ["10.0.0.0/8"], "1.1.1.1"),
        (b"[2001:db8::1]:443", ["10.0.0.0/8"], "2001:db8::1"),
        (b"2001:db8::1", ["10.0.0.0/8"], "2001:db8::1"),
        (b"unknown", ["10.0.0.0/8"], "10.1.2.3"),
        (b"6.6.6.6, unknown", ["10.0.0.0/8"], "10.1.2.3"),
        (b"<script>", ["*"], "10.1.2.3"),
        (b"", ["*"], "10.1.2.3"),
        (b", ,", ["*"], "10.1.2.3"),
    ],
)
def test_rule_08_the_client_is_the_nearest_hop_that_is_not_trusted(
    chain: bytes, allowed: list[str], client: str
) -> None:
    """Everything left of it could be invented."""
    who = seen((b"x-forwarded-for", chain), trust=trusting(*allowed))
    assert who.client is not None
    assert who.client[0] == client


@pytest.mark.parametrize("hop", [b"10.7.7.7", b"[fd00::1]:80"])
def test_rule_08_a_long_chain_costs_few_look_ups(hop: bytes) -> None:
    """A client among the trusted networks can write thousands of hops."""
    looked_up: list[object] = []

    class Watched(list[object]):
        def __contains__(self, address: object) -> bool:
            looked_up.append(address)
            return True

    trust = Trust(networks=(Watched(),))  # type: ignore[arg-type]
    who = seen((b"x-forwarded-for", b", ".join([b"6.6.6.6", *[hop] * 4000])), trust=trust)
    assert who.client is not None
    assert who.client[0] == hop.strip(b"[]").partition(b"]")[0].decode()
    assert who.chain.count(b",") == 4001
    assert len(looked_up) < 40


@pytest.mark.parametrize(
    ("name", "value", "client"),
    [
        (b"x-forwarded-for", b"6.6.6.6:1, 1.1.1.1:5000", ("1.1.1.1", 5000)),
        (b"x-forwarded-for", b"[2001:db8::1]:443", ("2001:db8::1", 443)),
        (b"x-forwarded-for", b"2001:db8::1:443", ("2001:db8::1:443", 0)),
        (b"x-forwarded-for", b"10.7.7.7:5, 10.9.9.9:6", ("10.7.7.7", 5)),
        (b"x-forwarded-for", b"1.1.1.1:", ("1.1.1.1", 0)),
        (b"x-forwarded-for", b"1.1.1.1:_port", ("1.1.1.1", 0)),
        (b"x-forwarded-for", b"1.1.1.1:123456", ("1.1.1.1", 0)),
        (b"forwarded", b'for="[2001:db8::1]:4711"', ("2001:db8::1", 4711)),
    ],
)
def test_rule_08_the_client_keeps_its_port(name: bytes, value: bytes, client: tuple[str, int]) -> None:
    """Azure's gateways append it (RFC 7239 section 6)."""
    assert seen((name, value), trust=trusting("10.0.0.0/8")).client == client


def test_rule_08_several_lines_are_one_chain() -> None:
    """RFC 9110 section 5.3."""
    who = seen(
        (b"x-forwarded-for", b"6.6.6.6, 5.5.5.5"), (b"x-forwarded-for", b"1.1.1.1"), trust=trusting("10.0.0.0/8")
    )
    assert (who.client, who.chain) == (("1.1.1.1", 0), b"6.6.6.6, 5.5.5.5, 1.1.1.1, 10.1.2.3")


@pytest.mark.parametrize(
    ("value", "client", "scheme", "host"),
    [
        (b"for=1.1.1.1;proto=https;host=a.example", "1.1.1.1", "https", b"a.example"),
        (b'For="[2001:db8::1]:4711";Proto=HTTPS', "2001:db8::1", "https", b"public.example"),
        (b"for=6.6.6.6;host=evil, for=1.1.1.1;proto=https;host=b.example", "1.1.1.1", "https", b"b.example"),
        (b'for="1.1.1.1:80" ; host="c.example:8443" ; by=_x', "1.1.1.1", "http", b"c.example:8443"),
        (b'for=_hidden;host="d,e"', "10.1.2.3", "http", b"d,e"),
        (b"for=unknown", "10.1.2.3", "http", b"public.example"),
        (b'for="1.1.1.1', "10.1.2.3", "http", b"public.example"),
        (b";;,,==", "10.1.2.3", "http", b"public.example"),
    ],
)
def test_rule_08_rfc_7239_is_understood(value: bytes, client: str, scheme: str, host: bytes) -> None:
    """RFC 7239 sections 4 to 6, quoted strings and all."""
    who = seen((b"forwarded", value), trust=trusting("10.0.0.0/8"))
    assert who.client is not None
    assert (who.client[0], who.scheme, who.host) == (client, scheme, host)


def test_rule_08_x_forwarded_wins_over_forwarded() -> None:
    """Edges write the former by default and pass the latter on."""
    who = seen((b"forwarded", b"for=6.6.6.6;proto=http"), (b"x-forwarded-for", b"1.1.1.1"), trust=trusting("*"))
    assert who.client == ("1.1.1.1", 0)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [(b"https", "https"), (b"HTTPS", "https"), (b"wss", "https"), (b"ws", "http"), (b"ftp", "http"), (b"", "http")],
)
def test_rule_08_the_scheme_is_one_of_two(proto: bytes, scheme: str) -> None:
    """Traefik writes ws and wss for WebSockets."""
    assert seen((b"x-forwarded-proto", proto), trust=trusting("*")).scheme == scheme


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        (b"a.example", b"", b"a.example"),
        (b"a.example", b"8443", b"a.example:8443"),
        (b"a.example:99", b"8443", b"a.example:99"),
        (b"a.example", b"80", b"a.example"),
        (b"a.example", b"evil", b"a.example"),
        (b"a.example", b"123456", b"a.example"),
        (b"[::1]", b"8443", b"[::1]:8443"),
        (b"a.example, b.example", b"", b"b.example"),
        (b"evil\r\nx: y", b"", b"public.example"),
        (b"ev il", b"", b"public.example"),
        (b"a/b", b"", b"public.example"),
    ],
)
def test_rule_08_host_and_port_come_from_the_nearest_proxy_if_they_make_sense(
    host: bytes, port: bytes, expected: bytes
) -> None:
    """RFC 9110 section 7.2."""
    fields = [(b"x-forwarded-host", host), *([(b"x-forwarded-port", port)] if port else [])]
    assert seen(*fields, trust=trusting("*")).host == expected


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (b"/a", "/a"),
        (b"/a/b/", "/a/b"),
        (b"/", ""),
        (b"a", ""),
        (b"/../x", ""),
        (b"/.x", ""),
        (b"//evil.example", ""),
        (b'/"><x', ""),
    ],
)
def test_rule_08_the_prefix_is_a_plain_path_or_nothing(prefix: bytes, expected: str) -> None:
    """It ends up in redirects and links."""
    assert seen((b"x-forwarded-prefix", prefix), trust=trusting("*")).prefix == expected


def test_rule_03_naming_forwarding_fields_in_connection_changes_nothing() -> None:
    """Traefik's and Go's case.

    The fields of a trusted edge are taken over all the same.
    """
    who = seen(
        (b"connection", b"x-forwarded-for, x-forwarded-proto"), (b"x-forwarded-for", b"1.1.1.1"), trust=trusting("*")
    )
    assert who.client == ("1.1.1.1", 0)


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "example.com", "10.0.0.1-10.0.0.9", ""])
def test_what_is_no_address_is_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        trusting(entry)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("::ffff:10.1.2.3", True), ("::ffff:11.1.2.3", False), ("fe80::1%eth0", True), ("not an address", False)],
)
def test_odd_peers(peer: str, trusted: bool) -> None:
    """IPv4 on a socket for both families; link-local addresses with a zone."""
    assert trusting("fe80::/10", "10.0.0.0/8").trusts(peer) is trusted


def test_nodes_and_elements_never_fail_on_anything() -> None:
    for text in (b"", b'"', b"\\", b'for="\\', b"[", b"[::1", b"a:b:c"):
        assert isinstance(node(text), bytes)
        assert isinstance(forwarded_elements([text]), list)


@pytest.mark.parametrize("value", [b'for=6.6.6.6;host="evil', b'\\"' * 4000, b"for=6.6.6.6," * 400])
def test_a_forwarded_header_that_is_malformed_or_too_long_says_nothing(value: bytes) -> None:
    assert forwarded_elements([value]) == []
    assert forwarded_elements([b"for=1.1.1.1"]) == [{b"for": b"1.1.1.1"}]


def test_forwarded_is_not_read_beside_x_forwarded_for() -> None:
    """An edge that writes the one may pass on the other from a client."""
    who = seen(
        (b"x-forwarded-for", b"1.1.1.1"), (b"forwarded", b"host=evil.example;proto=https"), trust=trusting("10.0.0.0/8")
    )
    assert (who.host, who.scheme) == (b"public.example", "http")


@pytest.mark.parametrize(
    "proxy",
    [
        TrustedProxy.oauth2_proxy(),
        TrustedProxy.cloudflare_access("acme", "tag"),
        TrustedProxy.pomerium("app.example"),
        TrustedProxy.azure_easy_auth(),
    ],
    ids=["oauth2-proxy", "Cloudflare Access", "Pomerium", "Azure"],
)
def test_rule_09_headers_that_a_trusted_proxy_reads_are_removed(proxy: TrustedProxy) -> None:
    """API and UI never see them, whether or not that proxy is configured."""
    assert proxy.strips()
    assert [name for name in proxy.strips() if not is_from_proxy(name.lower())] == []


@pytest.mark.parametrize(
    "name",
    [
        *("X-Goog-Authenticated-User-Email", "X-Goog-IAP-JWT-Assertion", "X-MS-CLIENT-PRINCIPAL", "X-WebAuth-User"),
        *("X-Authentik-Username", "X_authentik_groups", "Tailscale-User-Login", "X-Vouch-Idp-Claims-Groups"),
        *("REMOTE_USER", "OIDC_CLAIM_email", "X-Consumer-Username", "X-SSL-Client-S-DN", "X-Original-URL"),
    ],
)
def test_rule_09_every_header_of_a_known_proxy_is_removed(name: str) -> None:
    who = seen((name.lower().encode(), b"root"), trust=trusting("*"))
    assert who.headers == [(b"host", b"public.example")]
