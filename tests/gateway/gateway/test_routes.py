"""Which part of FluxLit a path is for.

Rule 13 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from fluxlit.gateway.router import raw_after
from fluxlit.gateway.routes import CLOSABLE, Route, RouteTable, below_mount, closed_prefixes

MAP = RouteTable("/api", closed_prefixes(()), {"/docs": "/docs", "/openapi.json": "/v1/openapi.json"})


@pytest.mark.parametrize(
    ("target", "route"),
    [
        ("/api", Route.API),
        ("/api/", Route.API),
        ("/api/users", Route.API),
        ("/api//x", Route.API),
        ("/%61pi/users", Route.API),
        ("/api%2Fusers", Route.API),
        ("/api/../x", Route.API),
        ("/api/healthz", Route.LIVENESS),
        ("/api/readyz", Route.READINESS),
        ("/api/healthz/", Route.API),
        ("/api/readyz/x", Route.API),
        ("/apix", Route.UI),
        ("//api", Route.UI),
        ("/API", Route.UI),
        ("/x/..%2fapi", Route.UI),
        ("/x/../api", Route.UI),
        ("/", Route.UI),
        ("/_stcore/stream", Route.UI),
        ("/_stcore/health", Route.UI),
        ("/%2561pi", Route.UI),
        ("/healthz", Route.UI),
        ("/docs", Route.API_DOCS),
        ("/openapi.json", Route.API_DOCS),
        ("/redoc", Route.UI),
        ("/docs/", Route.UI),
        ("/_stcore/metrics", Route.CLOSED),
        ("/_stcore/metrics/", Route.CLOSED),
        ("/_stcore/%6detrics", Route.CLOSED),
        ("/_stcore/metricsx", Route.UI),
        ("/_stcore/script-health-check", Route.CLOSED),
        ("/_stcore/agent/run", Route.CLOSED),
    ],
)
def test_rule_13_routing_follows_the_decoded_path(target: str, route: Route) -> None:
    """RFC 3986 section 6.2.2.2: one resource, however its path is written."""
    assert MAP.route("http", "GET", unquote(target)) is route


def test_a_page_may_have_the_address_of_an_api_that_has_nothing_there() -> None:
    table = RouteTable("/api", api_yields=True)
    assert [table.route("http", "GET", path) for path in ("/api", "/api/")] == [Route.UI, Route.UI]
    assert [table.route("http", "GET", path) for path in ("/api//", "/api/x")] == [Route.API, Route.API]
    assert [table.route("http", "POST", "/api"), table.route("websocket", "", "/api")] == [Route.API, Route.API]
    assert table.route("http", "GET", "/api/healthz") is Route.LIVENESS


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_probes_are_the_gateways_own_for_every_method(method: str) -> None:
    assert MAP.route("http", method, "/api/healthz") is Route.LIVENESS
    assert MAP.route("websocket", "", "/api/healthz") is Route.API


def test_websockets_go_where_their_path_says() -> None:
    assert MAP.route("websocket", "", "/api/ws") is Route.API
    assert MAP.route("websocket", "", "/_stcore/stream") is Route.UI
    assert MAP.route("websocket", "", "/docs") is Route.UI
    assert MAP.route("websocket", "", "/_stcore/agent/ws") is Route.CLOSED


@pytest.mark.parametrize("before", ["/x/../", "/./", "//", "/../", "/_stcore/../", "///.//"])
def test_a_closed_route_is_closed_however_its_path_is_written(before: str) -> None:
    """A proxy in front of an external Streamlit may normalise paths."""
    for path in CLOSABLE.values():
        assert MAP.route("http", "GET", before + path[1:]) is Route.CLOSED
        assert MAP.route("websocket", "", f"{before}{path[1:]}//ws") is Route.CLOSED
    assert MAP.route("http", "GET", f"{before}_stcore/health") is Route.UI
    assert MAP.route("http", "GET", "/_stcore/metrics/../health") is Route.UI


@pytest.mark.parametrize("name", sorted(CLOSABLE))
def test_each_closed_route_can_be_opened_by_name(name: str) -> None:
    opened = RouteTable("/api", closed_prefixes((name,)))
    assert opened.route("http", "GET", CLOSABLE[name]) is Route.UI
    others = set(CLOSABLE) - {name}
    assert all(opened.route("http", "GET", CLOSABLE[other]) is Route.CLOSED for other in others)


@pytest.mark.parametrize(
    ("path", "mount", "rest"),
    [
        ("/x", "", "/x"),
        ("/m", "/m", None),
        ("/m/", "/m", "/"),
        ("/m/x", "/m", "/x"),
        ("/mx", "/m", "/mx"),
        ("/x", "/m", "/x"),
        ("/a/b/c", "/a/b", "/c"),
        ("/a/b", "/a/b", None),
        ("/a", "/a/b", "/a"),
        ("/m/m/x", "/m", "/m/x"),
    ],
)
def test_the_mount_is_taken_off_whether_or_not_the_edge_has_done_so(path: str, mount: str, rest: str | None) -> None:
    assert below_mount(path, mount) == rest


@pytest.mark.parametrize(
    ("raw", "mount", "rest"),
    [
        (b"/m/a%2Fb", "/m", b"/a%2Fb"),
        (b"/%6d/x", "/m", b"/x"),
        (b"/a%2Fb/x", "/a/b", b"/x"),
        (b"/m%2Fx", "/m", b"%2Fx"),
        (b"/m/%C3%A9", "/m", b"/%C3%A9"),
    ],
)
def test_rule_13_the_forwarded_path_is_cut_where_the_decision_was_made(raw: bytes, mount: str, rest: bytes) -> None:
    """A client may encode the mount; what is left is still its own bytes."""
    assert raw_after(raw, len(mount)) == rest
    assert unquote(raw.decode()) == mount + unquote(rest.decode())
