"""Which headers travel, and which are never added.

Rules 1 to 9, 27 and 28 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

import pytest

from fluxlit.auth.contract import User
from fluxlit.auth.user_headers import RUN_FIELD, fact_fields, user_fields
from fluxlit.backends.external import ExternalBackend
from fluxlit.proxy import ReverseProxy
from fluxlit.proxy.headers import HANDSHAKE_DROPPED, REQUEST_DROPPED, end_to_end
from fluxlit.settings import Settings
from tests.gateway.proxy.harness import OK, answering, get, post, stage

pytestmark = pytest.mark.anyio

HOP = [
    "Keep-Alive: 5",
    "Proxy-Connection: x",
    "TE: trailers, deflate",
    "Proxy-Authorization: Basic eDp5",
    "Trailer: X-T",
]


async def test_rule_01_fields_that_connection_names_end_at_the_proxy_in_both_directions() -> None:
    """RFC 9110 section 7.6.1."""
    script, seen = answering(
        b"HTTP/1.1 200 OK\r\nConnection: X-Up, keep-alive\r\nX-Up: 1\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok"
    )
    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(
            get(
                "/",
                "Connection: X-Secret",
                "X-Secret: 1",
                "connection: keep-alive ,\tX-Other",
                "x-other: 2",
                "X-Kept: 3",
            )
        )
    assert not {b"connection", b"x-secret", b"x-other"} & set(seen[0].names)
    assert seen[0].all(b"x-kept") == [b"3"]
    assert not {b"connection", b"x-up"} & set(answer.names)
    assert answer.all(b"x-stays") == [b"1"]


async def test_rule_01_trailers_that_connection_names_do_not_survive_either() -> None:
    """RFC 9110 sections 6.5.1 and 7.6.1: ASGI has no trailers, so none do."""
    script, _ = answering(
        b"HTTP/1.1 200 OK\r\nConnection: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
    )
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get())
    assert (answer.body, answer.trailers, b"x-t" in answer.names) == (b"ok", [], False)


async def test_rule_02_hop_by_hop_fields_end_here_even_if_connection_does_not_name_them() -> None:
    """RFC 9110 section 7.6.1, second list; 11.7.1 for the proxy's credentials."""
    script, seen = answering(
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: X-T\r\n"
        b"Proxy-Connection: a\r\nTE: b\r\nContent-Length: 2\r\n\r\nok"
    )
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get("/", *HOP))
    assert seen[0].names == [b"host", b"via"]
    hop = {b"keep-alive", b"proxy-authenticate", b"upgrade", b"trailer", b"proxy-connection", b"te", b"connection"}
    assert not hop & set(answer.names)


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID", "Via", "Host", "Content-Length"]
)
async def test_rule_03_a_client_cannot_take_away_fields_of_the_gateway(name: str) -> None:
    """Naming them in Connection has no effect (golang/go#50580)."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        await (await scene.client()).ask(
            post(b"x", f"Connection: {name.lower()}", "X-Forwarded-For: 1", "X-Forwarded-Proto: h", "X-Request-ID: 7")
        )
    assert len(seen[0].all(name.encode())) == 1


async def test_rule_05_unknown_fields_methods_and_status_codes_pass_untouched() -> None:
    """RFC 9110 sections 5.1, 7.6, 9.1 and 15."""
    strange = b"!#$%&'*+-.^_`|~09aZ"
    script, seen = answering(
        b"HTTP/1.1 299 Whatever\r\n" + strange + b": \xff\xfe\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"
    )
    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(b"PROPFIND / HTTP/1.1\r\nHost: h\r\n" + strange + b": a \t\xe9 b\r\nX-Empty:\r\n\r\n")
    assert seen[0].method == b"PROPFIND"
    assert seen[0].all(strange) == [b"a \t\xe9 b"]
    assert seen[0].all(b"x-empty") == [b""]
    assert (answer.status, answer.all(strange), answer.all(b"x-empty")) == (299, [b"\xff\xfe"], [b""])


@pytest.mark.parametrize("status", [99, 600, 999])
async def test_rule_05_a_number_outside_100_to_599_is_no_status(status: int) -> None:
    """RFC 9110 section 15."""
    script, _ = answering(b"HTTP/1.1 %03d X\r\nContent-Length: 0\r\n\r\n" % status)
    async with stage(script) as scene:
        assert (await (await scene.client()).ask(get())).status == 502


async def test_rule_06_fields_of_one_name_keep_their_number_and_order() -> None:
    """RFC 9110 section 5.3; RFC 6265 section 3 for Set-Cookie."""
    script, seen = answering(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX: 1\r\nSet-Cookie: b=2, c\r\nX: 2\r\nSet-Cookie: a=1\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get("/", "Cookie: a=1", "X: 1", "Cookie: b=2", "X: 2", "Cookie: a=1"))
    assert seen[0].all(b"cookie") == [b"a=1", b"b=2", b"a=1"]
    assert [name for name in seen[0].names if name != b"via"] == [b"host", b"cookie", b"x", b"cookie", b"x", b"cookie"]
    assert answer.all(b"set-cookie") == [b"a=1", b"b=2, c", b"a=1"]
    assert answer.all(b"x") == [b"1", b"2"]


async def test_rule_07_via_is_added_to_requests_after_the_ones_that_are_there() -> None:
    """RFC 9110 section 7.6.3."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        await (await scene.client()).ask(get("/", "Via: 1.0 edge"))
    assert seen[0].all(b"via") == [b"1.0 edge", b"1.1 fluxlit"]


async def test_rule_07_a_request_that_goes_round_in_circles_is_ended() -> None:
    """RFC 9110 section 7.6.3: Via is there to find loops."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask(get("/", "Via: " + ", ".join(["1.1 fluxlit"] * 7)))).status == 200
        assert (
            await client.ask(get("/", "Via: " + ", ".join(["1.1 fluxlit"] * 4), *["Via: 1.1 fluxlit"] * 4))
        ).status == 508
        for others in ("1.1 fluxlit-2", "1.0 fluxlit", "1.1 edge (1.1 fluxlit)"):
            assert (await client.ask(get("/", *[f"Via: {others}"] * 8))).status == 200
    assert len(seen) == 4


@pytest.mark.parametrize(("name", "expected"), [("portal-3", [b"1.0 edge", b"1.1 portal-3"]), ("", [b"1.0 edge"])])
async def test_rule_07_the_name_in_via_is_a_setting(name: str, expected: list[bytes]) -> None:
    """RFC 9110 section 7.6.3.

    A pseudonym, for those who keep their hosts to themselves.
    """
    script, seen = answering(OK)

    def placed(proxy: ReverseProxy) -> ExternalBackend:
        place = f"unix:{proxy.upstream.address.path}"
        return ExternalBackend(Settings(streamlit_upstream=place, gateway_via=name))

    async with stage(script, wrap=placed) as scene:
        await (await scene.client()).ask(get("/", "Via: 1.0 edge"))
    assert seen[0].all(b"via") == expected


async def test_rule_10_host_travels_byte_for_byte() -> None:
    """RFC 9110 section 7.2; Streamlit compares Origin with it."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        await (await scene.client()).ask(b"GET / HTTP/1.1\r\nhOsT: PuBlic.Example:8443\r\n\r\n")
    assert seen[0].all(b"host") == [b"PuBlic.Example:8443"]


async def test_rule_27_nothing_is_added_that_neither_side_sent() -> None:
    """No User-Agent, Accept, Accept-Encoding, Cookie, Content-Length upstream.

    One Date and no Server downstream.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get())
    assert seen[0].fields == [(b"host", b"public.example"), (b"via", b"1.1 fluxlit")]
    assert sorted(answer.names) == [b"content-length", b"date"]


async def test_rule_27_the_upstreams_date_and_server_are_not_repeated() -> None:
    """RFC 9110 section 6.6.1: one Date."""
    script, _ = answering(
        b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: x\r\nContent-Length: 0\r\n\r\n"
    )
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get())
    assert (len(answer.all(b"date")), answer.all(b"server")) == (1, [])


async def test_rule_27_there_is_no_cookie_jar() -> None:
    """What one user is given, no other user sends."""
    script, seen = answering(b"HTTP/1.1 200 OK\r\nSet-Cookie: user=ada\r\nContent-Length: 0\r\n\r\n", OK)
    async with stage(script) as scene:
        await (await scene.client()).ask(get())
        await (await scene.client()).ask(get())
        assert len(scene.connections) == 1, "both rode on one connection"
    assert seen[1].all(b"cookie") == []


async def test_rule_27_redirects_are_not_followed_and_content_is_not_decoded() -> None:
    """RFC 9110 section 7.7: content is the origin's own."""
    packed = bytes.fromhex("1f8b08000000000000ff")
    script, seen = answering(
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
        + packed
    )
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get())
    assert (answer.status, answer.body, answer.all(b"content-encoding"), len(seen)) == (302, packed, [b"gzip"], 1)


@pytest.mark.parametrize(
    "location", [b"/next", b"next", b"http://public.example/next", b"http://10.0.0.1:8501/x", b"?a=%2F#b"]
)
async def test_rule_28_location_is_left_alone(location: bytes) -> None:
    """Host is passed on, so that the upstream knows its public name.

    Nothing has to be rewritten.
    """
    script, _ = answering(
        b"HTTP/1.1 307 X\r\nLocation: %b\r\nContent-Location: %b\r\nContent-Length: 0\r\n\r\n" % (location, location)
    )
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get())
    assert (answer.all(b"location"), answer.all(b"content-location")) == ([location], [location])


async def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and its kin speak of the way out, not of the upstream."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    script, _ = answering(OK)
    async with stage(script) as scene:
        assert (await (await scene.client()).ask(get())).status == 200


OWN = [
    *("x-fluxlit-user", "x-fluxlit-run", "x-fluxlit-user-subject", "x-forwarded-for", "x-forwarded-prefix"),
    *("x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "via", "x-request-id", "traceparent"),
]


@pytest.mark.parametrize("dropped", [REQUEST_DROPPED, HANDSHAKE_DROPPED])
@pytest.mark.parametrize("written", ["{}", "close, {}", "{} ,upgrade", "\t{}\t"])
def test_rule_03_connection_removes_none_of_the_gateways_own_headers(written: str, dropped: frozenset[bytes]) -> None:
    """golang/go#50580, for every header that the gateway adds.

    In every spelling of its name.
    """
    own = [(name.encode(), b"1") for name in OWN]
    for name in OWN:
        for spelling in (name, name.upper(), name.title()):
            headers = [(b"connection", written.format(spelling).encode()), *own, (b"x-other", b"1")]
            assert [header for header in end_to_end(headers, dropped) if header in own] == own
    assert end_to_end([(b"connection", b"x-other"), (b"x-other", b"1")], dropped) == []


def test_rule_03_covers_every_header_about_a_user() -> None:
    user = User(subject="ada", issuer="x", name="Ada", email="a@example.org", roles=frozenset({"admin"}))
    written = [*user_fields(user), *fact_fields(user), (RUN_FIELD, b"1")]
    named = b", ".join(name for name, _ in written)
    assert end_to_end([(b"connection", named), *written], REQUEST_DROPPED) == written
