"""The request line: rules 11 and 12 of docs/contributing/proxy-rules.md."""

from __future__ import annotations

import pytest

from fluxlit.proxy import Address, ProxyLimits, ReverseProxy, Upstream
from tests.gateway.proxy.harness import OK, answering, get, stage

pytestmark = pytest.mark.anyio

TARGETS = [
    "/a%2Fb",
    "/a%2fb",
    "/%2e%2e/x",
    "/a/../b",
    "/a/./b",
    "//a//b",
    "/a;b=1;c",
    "/a%3Fb",
    "/a%23b",
    "/%00",
    "/%ff%fe",
    "/%C3%A9",
    "/%25",
    "/%",
    "/%zz",
    "/a%20b",
    "/a+b",
    "/~!$&'()*,;=:@",
    "/a\\b",
    '/a|b^`{}"<>',
    "/?",
    "/?a=%2F&b=+&c=%ff",
    "/?a?b??",
    "/a?b=/../c",
    "/?a=[1]",
    "/a%5Cb",
    "/api/../x",
    "/x/..%2fapi",
    "/*",
    "/" + "x" * 8000,
]


@pytest.mark.parametrize("target", TARGETS)
async def test_rule_12_path_and_query_travel_byte_for_byte(target: str) -> None:
    """RFC 9110 section 7.7: a proxy does not modify path and query.

    Only an empty query loses its mark.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get(target))
    assert answer.status == 200
    assert seen[0].target == target.removesuffix("?").encode() if target == "/?" else target.encode()


@pytest.mark.parametrize(
    "target", [b"/\xc3\xa9", b"/\xff", b"/a b", b"/a\tb", b"/a\x00b", b"/a#b", b"a/b", b"", b"http://"]
)
async def test_rule_12_what_is_no_target_is_refused(target: bytes) -> None:
    """RFC 9112 section 3.2.

    Raw octets, blanks and fragments have no place in a request line.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (answer.status, seen) == (400, [])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://other.example:81/a%2F?b", b"/a%2F?b"),
        ("HTTP://other.example:81", b"/"),
        ("http://u@other.example:81?x", b"/?x"),
    ],
)
async def test_rule_11_an_absolute_target_replaces_host(target: str, path: bytes) -> None:
    """RFC 9112 section 3.2.2."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        await (await scene.client()).ask(get(target))
    assert (seen[0].all(b"host"), seen[0].target) == ([b"other.example:81"], path)


@pytest.mark.parametrize("line", [b"CONNECT h:1", b"FROB /", b"get /", b"PRI * HTTP/2.0\r\n\r\nSM"])
async def test_rule_11_requests_that_are_for_no_resource_here_are_refused(line: bytes) -> None:
    """RFC 9110 section 9.3.6: CONNECT is for forward proxies.

    The parser knows the registered methods only.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        await client.send(line + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        status = (await client.answer()).status
    assert (status, seen) == (400, [])


@pytest.mark.parametrize(
    ("version", "status"), [(b"1.1", 200), (b"1.0", 200), (b"2.0", 505), (b"0.9", 505), (b"1.2", 400)]
)
async def test_only_the_versions_that_are_spoken_are_served(version: bytes, status: int) -> None:
    """RFC 9110 section 15.6.6."""
    script, _ = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(b"GET / HTTP/" + version + b"\r\nHost: h\r\n\r\n")
    assert answer.status == status


async def test_the_base_of_the_address_stands_before_every_target() -> None:
    """An upstream elsewhere may live below a path."""
    script, seen = answering(OK)

    def below(proxy: ReverseProxy) -> ReverseProxy:
        address = proxy.upstream.address
        return ReverseProxy(Upstream(Address.unix(address.path, base="/base"), limits=ProxyLimits(idle=0.001)))

    async with stage(script, wrap=below) as scene:
        await (await scene.client()).ask(get("/a%2F?b", "Connection: close"))
    assert seen[0].target == b"/base/a%2F?b"
