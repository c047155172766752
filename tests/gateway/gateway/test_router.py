"""The gateway as a whole.

Host, mounts, forwarding, origins and its own answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from fluxlit.gateway import Gateway, OriginPolicy, RouteTable, Trust, closed_prefixes
from fluxlit.gateway.origin_policy import MOST_LOGGED
from fluxlit.observability.middleware import ObservabilityMiddleware
from tests.gateway.gateway.asking import Recorder, ask, scope_of

pytestmark = pytest.mark.anyio


@dataclass
class Readiness:
    ready: bool = True
    detail: str = ""


class Scene:
    def __init__(self, **changes: Any) -> None:
        self.api, self.ui, self.readiness = Recorder("api"), Recorder("ui"), Readiness()
        self.gateway = Gateway(
            **{
                "routes": RouteTable("/api", closed_prefixes(())),
                "api": self.api,
                "ui": self.ui,
                "readiness": lambda: self.readiness,
                **changes,
            }
        )


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ([b"public.example"], 200),
        ([b"public.example:8000"], 200),
        ([b"[::1]:8000"], 200),
        ([b"127.0.0.1"], 200),
        ([b"a_b"], 200),
        ([], 400),
        ([b""], 200),
        ([b"app:"], 200),
        ([b"", b""], 400),
        ([b":"], 400),
        ([b"a::"], 400),
        ([b"a", b"a"], 400),
        ([b"a", b"b"], 400),
        ([b"a b"], 400),
        ([b"a/b"], 400),
        ([b"a,b:x"], 400),
        ([b"u@a"], 400),
        ([b"a:123456"], 400),
        ([b"[::1"], 400),
        ([b"a\xff"], 400),
        ([b"<x>"], 400),
    ],
)
@pytest.mark.parametrize("target", ["/", "/api/x"])
async def test_rule_11_a_request_has_one_valid_host(hosts: list[bytes], status: int, target: str) -> None:
    """RFC 9112 section 3.2."""
    scene = Scene()
    answer = await ask(scene.gateway, scope_of(target, headers=[(b"host", host) for host in hosts]))
    assert (answer.status, len(scene.api.scopes) + len(scene.ui.scopes)) == (status, status == 200)


@pytest.mark.parametrize(("given", "host"), [(b"", b"127.0.0.1:8000"), (b"app:", b"app")])
async def test_an_incomplete_host_is_completed(given: bytes, host: bytes) -> None:
    """RFC 9110 section 7.2 and RFC 3986 section 3.2.3.

    Both are valid, and some load balancers probe so.
    """
    scene = Scene()
    for target in ("/", "/api/x"):
        await ask(scene.gateway, scope_of(target, headers=[(b"host", given), (b"x-other", b"1")]))
    assert scene.ui.field(b"host") == scene.api.field(b"host") == [host]
    assert scene.ui.field(b"x-forwarded-host") == [host]
    assert scene.ui.field(b"x-other") == [b"1"]


@pytest.mark.parametrize("target", ["/api/healthz", "/api/readyz"])
async def test_probes_are_for_reading(target: str) -> None:
    scene = Scene()
    answer = await ask(scene.gateway, scope_of(target, method="POST"))
    assert (answer.status, answer.all(b"allow"), scene.api.scopes) == (405, [b"GET, HEAD"], [])
    assert (await ask(scene.gateway, scope_of(target, method="HEAD"))).status == 200


async def test_usual_paths_of_documentation_lead_to_the_apis_own() -> None:
    scene = Scene(routes=RouteTable("/api", (), {"/docs": "/swagger"}), root_path="/m")
    for target in ("/m/docs?x=1", "/docs?x=1"):
        answer = await ask(scene.gateway, scope_of(target))
        assert (answer.status, answer.all(b"location")) == (307, [b"/m/api/swagger?x=1"])
    await ask(scene.gateway, scope_of("/m/redoc"))
    assert scene.ui.last["path"] == "/m/redoc"


FOREIGN = (b"origin", b"https://evil.example")


def remedies(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged beside the security events.

    Each refusal is one of those.
    """
    return [record.getMessage() for record in caplog.records if record.name != "fluxlit.security"]


async def test_a_refused_origin_is_logged_once_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    for _ in range(3):
        assert (await ask(scene.gateway, scope_of("/_stcore/stream", FOREIGN, kind="websocket"))).status == 403
    (line,) = remedies(caplog)
    assert "'https://evil.example'" in line
    assert "http://public.example" in line
    assert "FLUXLIT_ALLOWED_ORIGINS" in line
    assert "FLUXLIT_TRUST_PROXY" in line


async def test_refused_origins_in_the_log_have_a_cap(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    for number in range(MOST_LOGGED + 10):
        origin = (b"origin", f"https://{number}.example/".encode())
        await ask(scene.gateway, scope_of("/_stcore/stream", origin, kind="websocket"))
    await ask(scene.gateway, scope_of("/_stcore/stream", (b"origin", b"x" * 5000), kind="websocket"))
    assert len(remedies(caplog)) == MOST_LOGGED
    assert all(len(line) < 1000 for line in remedies(caplog))


UPLOAD = "/_stcore/upload_file/s/f"


@pytest.mark.parametrize(
    ("embeddable", "fields", "added"),
    [
        (True, [(b"origin", b"http://public.example")], True),
        (True, [(b"origin", b"https://friend.example")], True),
        (True, [(b"origin", b"http://public.example"), (b"x-xsrftoken", b"11")], True),
        (False, [(b"origin", b"http://public.example")], False),
        (True, [], False),
        (True, [FOREIGN], False),
        (True, [(b"origin", b"null")], False),
        (True, [FOREIGN, (b"origin", b"http://public.example")], False),
        (True, [(b"origin", b"http://public.example"), (b"cookie", b"_streamlit_xsrf=2|a|b|1")], False),
    ],
)
async def test_an_upload_in_the_frame_of_an_allowed_site_is_proven_by_its_origin(
    embeddable: bool, fields: list[tuple[bytes, bytes]], added: bool
) -> None:
    """The browser keeps Streamlit's XSRF cookie back there.

    Both name the site of the script that sends the request.
    """
    origins = OriginPolicy.of(["https://friend.example"])
    scene = Scene(embeddable=embeddable, origins=origins)
    await ask(scene.gateway, scope_of(UPLOAD, *fields, method="PUT"))
    assert (scene.ui.field(b"x-xsrftoken") == [b"00"]) is added
    assert (b"_streamlit_xsrf=00" in scene.ui.field(b"cookie")) is added
    await ask(scene.gateway, scope_of("/other", *fields, method="PUT"))
    assert b"_streamlit_xsrf=00" not in scene.ui.field(b"cookie")


@pytest.mark.parametrize(
    ("server", "host"),
    [(("127.0.0.1", 8000), b"127.0.0.1:8000"), (("::1", 80), b"[::1]:80"), (("/run/x.sock", None), b"localhost")],
)
async def test_rule_29_http_1_0_has_no_host_and_gets_the_servers_name(
    server: tuple[str, int | None], host: bytes
) -> None:
    """The next hop speaks HTTP/1.1 and needs one (RFC 9112 section 3.2)."""
    scene = Scene()
    await ask(scene.gateway, scope_of("/", headers=[], http_version="1.0", server=server))
    assert scene.ui.field(b"host") == [host]


@pytest.mark.parametrize("mount", ["/myapp", "/apps/my-app"])
@pytest.mark.parametrize("stripped", [True, False], ids=["prefix stripped", "full path"])
@pytest.mark.parametrize("below", ["/", "/x", "/a%2Fb;c", "/%C3%A9", "/_stcore/stream"])
async def test_the_ui_sees_the_full_public_path_whatever_the_edge_does(mount: str, stripped: bool, below: str) -> None:
    """Workers run with server.baseUrlPath equal to the mount."""
    scene = Scene(root_path=mount)
    await ask(scene.gateway, scope_of(below if stripped else mount + below))
    assert scene.ui.last["raw_path"] == (mount + below).encode()
    assert scene.ui.last["root_path"] == mount
    assert scene.ui.field(b"x-forwarded-prefix") == [mount.encode()]


@pytest.mark.parametrize("mount", ["", "/myapp", "/apps/my-app"])
@pytest.mark.parametrize("stripped", [True, False], ids=["prefix stripped", "full path"])
async def test_the_api_sees_its_root_path_and_a_full_path(mount: str, stripped: bool) -> None:
    """In ASGI path begins with root_path; Starlette's mounts rely on it."""
    scene = Scene(root_path=mount)
    await ask(scene.gateway, scope_of(("" if stripped else mount) + "/api/users/%2F?q=1"))
    assert scene.api.last["root_path"] == f"{mount}/api"
    assert scene.api.last["path"] == f"{mount}/api/users//"
    assert scene.api.last["raw_path"] == f"{mount}/api/users/%2F".encode()


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/apps/my-app", b"/apps/my-app/"),
        ("/apps/my-app?a=1&b", b"/apps/my-app/?a=1&b"),
        ("/apps/my%2Dapp", b"/apps/my-app/"),
    ],
)
async def test_the_mount_without_its_slash_redirects(target: str, location: bytes) -> None:
    """RFC 9110 section 15.4.8: the method stays."""
    answer = await ask(Scene(root_path="/apps/my-app").gateway, scope_of(target))
    assert (answer.status, answer.all(b"location")) == (307, [location])


async def test_an_encoded_mount_is_the_mount() -> None:
    """The decision and the forwarded path come from the same view."""
    scene = Scene(root_path="/apps/my-app")
    await ask(scene.gateway, scope_of("/apps/my%2Dapp/a%2Fb"))
    assert scene.ui.last["raw_path"] == b"/apps/my-app/a%2Fb"


async def test_a_prefix_that_a_trusted_edge_has_removed_is_the_apis_too() -> None:
    """Traefik's stripPrefix reports it in X-Forwarded-Prefix."""
    scene = Scene(trust=Trust.of(enabled=True, allowed=["*"]))
    await ask(scene.gateway, scope_of("/api/x", (b"x-forwarded-prefix", b"/edge")))
    assert scene.api.last["root_path"] == "/edge/api"
    scene = Scene()
    await ask(scene.gateway, scope_of("/api/x", (b"x-forwarded-prefix", b"/edge")))
    assert scene.api.last["root_path"] == "/api"


@pytest.mark.parametrize("target", ["/", "/api/x"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_rule_08_api_and_ui_alike_never_see_what_a_stranger_says(target: str, kind: str) -> None:
    scene = Scene()
    told = [
        (b"x-forwarded-for", b"6.6.6.6"),
        (b"x-forwarded-proto", b"https"),
        (b"x-real-ip", b"6.6.6.6"),
        (b"remote-user", b"root"),
    ]
    await ask(scene.gateway, scope_of(target, *told, kind=kind))
    recorder = scene.ui if target == "/" else scene.api
    assert recorder.last["client"] == ("203.0.113.9", 4711)
    assert recorder.last["scheme"] in {"http", "ws"}
    assert b"6.6.6.6" not in b" ".join(value for _, value in recorder.last["headers"])
    assert recorder.field(b"remote-user") == []


async def test_rule_08_a_trusted_edge_changes_scheme_host_and_client_of_the_scope() -> None:
    scene = Scene(trust=Trust.of(enabled=True, allowed=["203.0.113.0/24"]))
    told = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"app.example")]
    for kind, scheme in (("http", "https"), ("websocket", "wss")):
        await ask(scene.gateway, scope_of("/", *told, kind=kind))
        assert (scene.ui.last["scheme"], scene.ui.last["client"]) == (scheme, ("1.1.1.1", 0))
        assert scene.ui.field(b"host") == [b"app.example"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [(b"https://evil.example", 403), (b"null", 403), (b"http://[", 403), (b"http://public.example", 101)],
)
async def test_rule_41_a_foreign_origin_costs_nothing(origin: bytes, status: int) -> None:
    """The UI is not even asked; the API decides for itself."""
    scene = Scene(origins=OriginPolicy.of(()))
    answer = await ask(scene.gateway, scope_of("/_stcore/stream", (b"origin", origin), kind="websocket"))
    assert (answer.status, len(scene.ui.scopes)) == (status, status == 101)
    assert (await ask(scene.gateway, scope_of("/api/ws", (b"origin", origin), kind="websocket"))).status == 101


async def test_rule_41_two_origins_are_no_origin() -> None:
    fields = [(b"origin", b"http://public.example"), (b"origin", b"https://evil.example")]
    assert (await ask(Scene().gateway, scope_of("/_stcore/stream", *fields, kind="websocket"))).status == 403


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_closed_routes_are_not_found(kind: str) -> None:
    scene = Scene()
    for target in ("/_stcore/metrics", "/_stcore/agent/x", "/_stcore/script-health-check"):
        assert (await ask(scene.gateway, scope_of(target, kind=kind))).status == 404
    assert scene.ui.scopes == []


async def test_rule_42_probes_tell_what_is_known() -> None:
    scene = Scene()
    live, ready = scope_of("/api/healthz"), scope_of("/api/readyz")
    assert (await ask(scene.gateway, ready)).json() == {"status": "ready", "streamlit": "ok"}
    scene.readiness = Readiness(False, "worker 1 restarts")
    answer = await ask(scene.gateway, ready)
    assert (answer.status, answer.json()) == (503, {"status": "not_ready", "detail": "worker 1 restarts"})
    assert (await ask(scene.gateway, live)).json() == {"status": "ok"}
    scene.readiness, scene.gateway.draining = Readiness(), True
    assert (await ask(scene.gateway, ready)).status == 503
    assert (await ask(scene.gateway, live)).status == 200


async def test_without_pages_there_is_only_the_api() -> None:
    scene = Scene(ui=None)
    assert (await ask(scene.gateway, scope_of("/"))).status == 404
    assert (await ask(scene.gateway, scope_of("/api/readyz"))).json()["streamlit"] == "not_configured"


async def test_rule_24_errors_are_json_under_the_api_and_plain_elsewhere_and_carry_the_id() -> None:
    """RFC 9457."""
    observed = ObservabilityMiddleware(Scene().gateway)
    known = (b"x-request-id", b"abc-1")
    api = await ask(observed, scope_of("/api/x", headers=[known]))
    assert (api.status, api.all(b"content-type")) == (400, [b"application/problem+json"])
    assert api.json()["request_id"] == "abc-1"
    ui = await ask(observed, scope_of("/", headers=[known]))
    assert (ui.status, ui.all(b"content-type")) == (400, [b"text/plain; charset=utf-8"])
    assert b"Request abc-1." in ui.body
    opened = await ask(observed, scope_of("/", headers=[known, (b"accept", b"text/html,*/*")]))
    assert (opened.status, opened.all(b"content-type")) == (400, [b"text/html; charset=utf-8"])
    assert b"<h1>Bad Request</h1>" in opened.body
    assert b"Request abc-1<" in opened.body
    assert b'<a href="/">Start page</a>' in opened.body


async def test_a_head_request_gets_the_fields_only() -> None:
    answer = await ask(Scene().gateway, scope_of("/api/healthz", method="HEAD"))
    assert (answer.body, answer.all(b"content-length")) == (b"", [b"15"])


async def test_the_scope_that_came_in_is_not_changed() -> None:
    """Go's TestClonesRequestHeaders.

    Middleware outside still sees the original request.
    """
    scope = scope_of("/x", (b"x-forwarded-for", b"1.1.1.1"))
    before = {**scope, "headers": list(scope["headers"])}
    await ask(ObservabilityMiddleware(Scene(root_path="/m").gateway), scope)
    assert scope == before


STRANGER = [(b"x-user", b"own"), (b"x-user-id", b"7"), (b"x_user", b"x"), (b"x-auth-request-user", b"eve")]


async def test_rule_09_an_api_without_a_login_may_have_such_headers_of_its_own() -> None:
    """Proxies name users so too, but no proxy is asked here.

    Headers that only proxies send are removed.
    """
    scene = Scene()
    for target in ("/api/x", "/"):
        await ask(scene.gateway, scope_of(target, *STRANGER))
    assert [scene.api.field(name) for name, _ in STRANGER] == [[b"own"], [b"7"], [], []]
    assert [scene.ui.field(name) for name, _ in STRANGER] == [[], [], [], []]

    async def guard(application: Any, routed: Any) -> None:
        await application(routed.scope, routed.receive, routed.send)

    guarded = Scene(guard=guard)
    await ask(guarded.gateway, scope_of("/api/x", *STRANGER))
    assert [guarded.api.field(name) for name, _ in STRANGER] == [[], [], [], []]


async def test_rule_08_the_api_sees_the_chain_of_a_trusted_edge() -> None:
    """As it does behind that edge without FluxLit.

    A stranger's is removed, and nothing is written instead.
    """
    edge = [(b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-proto", b"https"), (b"x-real-ip", b"198.51.100.7")]
    trusting = Scene(trust=Trust.of(enabled=True, allowed=["203.0.113.9"]))
    await ask(trusting.gateway, scope_of("/api/x", *edge))
    assert trusting.api.field(b"x-forwarded-for") == [b"198.51.100.7, 203.0.113.9"]
    assert trusting.api.field(b"x-forwarded-proto") == [b"https"]
    assert trusting.api.field(b"x-real-ip") == []
    scene = Scene()
    await ask(scene.gateway, scope_of("/api/x", *edge))
    assert [name for name, _ in scene.api.last["headers"] if name.startswith(b"x-forwarded")] == []
