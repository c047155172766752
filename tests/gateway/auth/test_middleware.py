"""The authentication middleware in front of two toy applications.

Who gets in, what is taken away, and what the others receive.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

import pytest

from fluxlit._internal.asgi import Message, Receive, Scope, Send
from fluxlit.auth.access_policy import AccessPolicy
from fluxlit.auth.contract import USER
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.auth.user_headers import read_user
from fluxlit.gateway import Gateway, OriginPolicy, PublicOrigin, RouteTable, Trust
from tests.gateway.auth.scripted import Scripted
from tests.gateway.gateway.asking import Answer, Recorder, ask, scope_of

pytestmark = pytest.mark.anyio

ADA = (b"cookie", b"login=ada:admin")
BOB = (b"cookie", b"login=bob")
NAVIGATION = (b"sec-fetch-mode", b"navigate")
RULES = AccessPolicy(
    pages=frozenset({"/about"}), roles={"/admin": frozenset({"admin"})}, paths=("/api/hook", "/app/static/")
)


@dataclass
class Readiness:
    ready: bool = True
    detail: str = ""


class Scene:
    def __init__(self, rules: AccessPolicy = RULES, *, away: bool = False, **changes: Any) -> None:
        self.api, self.ui, self.auth = Recorder("api"), Recorder("ui"), Scripted()
        self.middleware = AuthMiddleware([self.auth], rules, origins=OriginPolicy.of(()), api="/api", away=away)
        self.gateway = Gateway(
            **{
                "routes": RouteTable("/api", assets=False),
                "api": self.api,
                "ui": self.ui,
                "readiness": Readiness,
                "guard": self.middleware.admit,
                **changes,
            }
        )

    async def ask(self, target: str, *fields: tuple[bytes, bytes], **changes: Any) -> Answer:
        return await ask(self.gateway, scope_of(target, *fields, **changes))

    @property
    def reached(self) -> int:
        return len(self.api.scopes) + len(self.ui.scopes)


GUARDED = [
    "/",
    "/page",
    "/admin",
    "/admin/",
    "/nowhere",
    "/app/statics",
    "/app/static/../secret",
    "/about/../admin",
    "/static/../_stcore/stream",
    "/static/%2e%2e/media/x.png",
    "/component/../secret",
    "/_stcore/metrics",
    "/api",
    "/api/",
    "/api/users",
    "/%61pi/users",
    "/api/hook/more",
    "/api/docs",
    "/auth/login",
]
PUBLIC = [
    "/about",
    "/about/",
    "/static/js/index.js",
    "/favicon.png",
    "/_stcore/health",
    "/_stcore/host-config",
    "/media/x.png",
    "/component/x/index.html",
    "/api/hook",
    "/app/static/logo.png",
    "/api/auth/login",
    "/api/healthz",
    "/api/readyz",
]


@pytest.mark.parametrize("target", GUARDED)
async def test_what_is_not_declared_public_is_guarded(target: str) -> None:
    """ASVS 5.0, 7.2.1 and 8.2.1."""
    scene = Scene()
    answer = await scene.ask(target, (b"accept", b"application/json"))
    assert (answer.status, scene.reached) == (401, 0)


@pytest.mark.parametrize("target", PUBLIC)
async def test_what_is_public_needs_nobody(target: str) -> None:
    assert (await Scene().ask(target)).status == 200


@pytest.mark.parametrize("target", ["/_stcore/health", "/media/x.png", "/_stcore/upload_file/a/b", "/component/x/y"])
async def test_without_public_pages_nothing_of_them_is_public_either(target: str) -> None:
    assert (await Scene(AccessPolicy()).ask(target)).status == 401


async def test_a_ui_elsewhere_keeps_media_for_users_as_nobody_there_knows_whose_they_are() -> None:
    rules = AccessPolicy(pages=frozenset({"/about"}), owners_known=False)
    assert (await Scene(rules).ask("/media/x.png")).status == 401


async def test_a_browser_is_sent_to_the_login_with_its_way_back() -> None:
    answer = await Scene().ask("/page?x=1&y=%2F", NAVIGATION)
    assert answer.status == 302
    assert answer.all(b"location") == [b"/api/auth/login?return_to=%2Fpage%3Fx%3D1%26y%3D%252F"]
    assert answer.all(b"cache-control") == [b"no-store"]


@pytest.mark.parametrize(("mount", "target"), [("/apps/x", "/apps/x/page"), ("/apps/x", "/page")])
async def test_the_way_back_has_the_public_mount(mount: str, target: str) -> None:
    answer = await Scene(root_path=mount).ask(target, NAVIGATION)
    assert answer.all(b"location") == [b"/apps/x/api/auth/login?return_to=%2Fapps%2Fx%2Fpage"]


async def test_a_call_of_the_api_gets_a_problem_and_a_challenge() -> None:
    answer = await Scene().ask("/api/users", NAVIGATION)
    assert (answer.status, answer.json()["status"]) == (401, 401)
    assert answer.all(b"content-type") == [b"application/problem+json"]
    assert answer.all(b"www-authenticate") == [b'Bearer realm="test"']


@pytest.mark.parametrize("target", ["/_stcore/health", "/_stcore/host-config", "/page/_stcore/health"])
async def test_the_front_end_is_told_in_words_that_it_can_show(target: str) -> None:
    answer = await Scene(AccessPolicy()).ask(target, (b"sec-fetch-mode", b"cors"))
    assert (answer.status, answer.body) == (401, b"You are signed out. Reload this page to sign in again.")
    unknown = await Scene(AccessPolicy()).ask(target, (b"sec-fetch-mode", b"cors"), (b"cookie", b"login=!503"))
    assert (unknown.status, unknown.body) == (503, b"It cannot be known who you are.")


async def test_the_front_end_is_told_whose_answer_it_has() -> None:
    scene = Scene()
    marks = [
        (await scene.ask("/_stcore/health", *fields)).all(b"x-fluxlit-visitor")
        for fields in ([], [ADA], [(b"cookie", b"login=ada")], [BOB])
    ]
    assert [len(mark) for mark in marks] == [0, 1, 1, 1]
    assert marks[1] == marks[2] != marks[3]
    assert b"ada" not in marks[1][0]
    assert (await scene.ask("/about", ADA)).all(b"x-fluxlit-visitor") == []


async def test_a_person_who_is_refused_is_shown_ways_to_go_on() -> None:
    scene = Scene(root_path="/apps/x")
    refused = await scene.ask("/apps/x/admin", NAVIGATION, BOB)
    assert refused.status == 403
    assert b'<a href="/apps/x/">Start page</a>' in refused.body
    assert b"Sign out" not in refused.body, "this authenticator has no logout"
    scene.middleware._routes["/api/auth/logout"] = scene.api
    again = await scene.ask("/apps/x/admin", NAVIGATION, BOB)
    assert b'<a href="/apps/x/api/auth/logout?session=handle-bob">Sign out</a>' in again.body
    unknown = await scene.ask("/apps/x/page", NAVIGATION, (b"cookie", b"login=!503"))
    assert (unknown.status, b'<a href="">Try again</a>' in unknown.body) == (503, True)


async def test_a_websocket_without_user_is_refused_with_401() -> None:
    """ASVS 5.0, 4.4.3 and 4.4.4: a WebSocket has the session of HTTP, or none."""
    scene = Scene(AccessPolicy())
    assert (await scene.ask("/_stcore/stream", kind="websocket")).status == 401
    assert (await scene.ask("/api/chat", kind="websocket")).status == 401
    assert scene.reached == 0


async def test_the_stream_is_open_to_all_where_a_page_is_public() -> None:
    scene = Scene()
    assert (await scene.ask("/_stcore/stream", kind="websocket")).status == 101
    assert not [name for name, _ in scene.ui.last["headers"] if name.startswith(b"x-fluxlit-")]


async def test_a_role_page_refuses_others_at_its_address() -> None:
    """ASVS 5.0, 8.2.1."""
    scene = Scene()
    answer = await scene.ask("/admin", BOB, NAVIGATION)
    assert (answer.status, scene.reached) == (403, 0)
    assert b"lacks the required role" in answer.body
    assert (await scene.ask("/admin", ADA, NAVIGATION)).status == 200


async def test_a_store_that_is_away_gives_503_and_not_a_login() -> None:
    """ASVS 5.0, 16.5.2 and 16.5.3."""
    scene = Scene()
    for target in ("/page", "/api/users"):
        answer = await scene.ask(target, (b"cookie", b"login=!503"), NAVIGATION)
        assert (answer.status, answer.all(b"retry-after")) == (503, [b"5"])


async def test_the_api_is_told_the_user_and_nobody_can_say_so_in_a_field() -> None:
    scene = Scene()
    await scene.ask("/api/me", ADA)
    assert scene.api.last[USER].subject == "ada"
    await scene.ask("/api/hook", (b"x-fluxlit-user", b"e30="), (b"x_fluxlit_user", b"e30="), (b"x-secret", b"1"))
    assert USER not in scene.api.last
    assert {name for name, _ in scene.api.last["headers"]}.isdisjoint({b"x-fluxlit-user", b"x_fluxlit_user"})
    assert not scene.api.field(b"x-secret")


FORGED = [
    (b"x-fluxlit-user", b"eyJzdWJqZWN0IjoicmFsZiJ9"),
    (b"X-FluxLit-User".lower(), b"x"),
    (b"x_fluxlit_user", b"x"),
    (b"x-fluxlit-run", b"guessed"),
    (b"x-fluxlit-user-email", b"root@example.org"),
    (b"x_secret", b"x"),
    (b"remote-user", b"root"),
]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("forged", FORGED, ids=lambda field: field[0].decode())
async def test_the_ui_gets_the_gateways_word_and_no_forged_one(kind: str, forged: tuple[bytes, bytes]) -> None:
    """ASVS 5.0, 4.1.3: strip first, then set."""
    scene = Scene(away=True)
    await scene.ask("/_stcore/stream" if kind == "websocket" else "/page", ADA, forged, kind=kind)
    assert forged not in scene.ui.last["headers"]
    user = read_user(scene.ui.field(b"x-fluxlit-user"))
    assert user is not None
    assert (user.subject, user.roles, user.claims) == ("ada", frozenset({"admin"}), {"groups": ["ünï", "two"]})
    assert scene.ui.field(b"x-fluxlit-user-email") == [b"ada@example.org"]


async def test_login_cookies_and_authorization_stay_at_the_gate() -> None:
    scene = Scene()
    cookies = (b"cookie", b"a=1; login=ada; login_flow_7=x;  b=2")
    await scene.ask("/page", cookies, (b"authorization", b"Basic x"))
    assert scene.ui.field(b"cookie") == [b"a=1; b=2"]
    assert not scene.ui.field(b"authorization")
    await scene.ask("/api/me", cookies, (b"authorization", b"Basic x"))
    assert scene.api.field(b"cookie") == [b"a=1; b=2"]
    assert scene.api.field(b"authorization") == [b"Basic x"]


async def test_a_user_with_many_claims_fits_into_fields() -> None:
    scene = Scene()
    many = "ada:" + ".".join(f"role-{number:05d}-abcdefgh" for number in range(2000))
    await scene.ask("/_stcore/stream", (b"cookie", f"login={many}".encode()), kind="websocket")
    values = scene.ui.field(b"x-fluxlit-user")
    assert max(map(len, values)) < 8000
    user = read_user(values)
    assert user is not None
    assert len(user.roles) == 2000


PROOFS = [
    ([(b"sec-fetch-site", b"same-origin")], 200),
    ([(b"sec-fetch-site", b"cross-site")], 403),
    ([(b"sec-fetch-site", b"same-site"), (b"origin", b"http://sub.public.example")], 403),
    ([(b"sec-fetch-site", b"cross-site"), (b"x-fluxlit-csrf", b"1")], 403),
    ([(b"origin", b"http://public.example")], 200),
    ([(b"origin", b"https://evil.example")], 403),
    ([(b"origin", b"null")], 403),
    ([(b"x-fluxlit-csrf", b"1")], 200),
    ([], 403),
]


@pytest.mark.parametrize(("fields", "status"), PROOFS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
async def test_a_changing_call_by_cookie_shows_where_it_comes_from(
    fields: list[tuple[bytes, bytes]], status: int, method: str
) -> None:
    """CSRF: ASVS 5.0, 3.5.1."""
    scene = Scene()
    answer = await scene.ask("/api/orders", ADA, *fields, method=method)
    assert (answer.status, scene.reached) == (status, status == 200)


async def test_reading_by_cookie_and_changing_by_token_need_no_proof() -> None:
    scene = Scene()
    assert (await scene.ask("/api/orders", ADA, (b"sec-fetch-site", b"cross-site"))).status == 200
    token = (b"authorization", b"Bearer ada")
    assert (await scene.ask("/api/orders", token, (b"origin", b"https://evil.example"), method="POST")).status == 200


async def test_a_public_call_from_another_site_does_not_learn_the_user() -> None:
    scene = Scene()
    answer = await scene.ask("/api/hook", ADA, (b"origin", b"https://evil.example"), method="POST")
    assert (answer.status, USER in scene.api.last) == (200, False)


@pytest.mark.parametrize("target", ["/_stcore/stream", "/api/chat"])
async def test_a_websocket_from_another_site_is_refused(target: str) -> None:
    """Cross-site WebSocket hijacking: ASVS 5.0, 4.4.2."""
    scene = Scene()
    answer = await scene.ask(target, ADA, (b"origin", b"https://evil.example"), kind="websocket")
    assert (answer.status, scene.reached) == (403, 0)


async def test_answers_for_users_are_kept_by_no_cache_and_carry_renewed_cookies() -> None:
    """ASVS 5.0, 14.3.2."""
    scene = Scene()
    scene.auth.set_cookies = (b"login=new", b"more=1")
    answer = await scene.ask("/page", ADA)
    assert answer.all(b"cache-control") == [b"private, no-store"]
    assert answer.all(b"set-cookie") == [b"login=new", b"more=1"]
    opened = await scene.ask("/_stcore/stream", ADA, kind="websocket")
    assert opened.all(b"set-cookie") == [b"login=new", b"more=1"]


@pytest.mark.parametrize("target", ["/about", "/media/0123.txt", "/_stcore/health", "/api/hook", "/app/static/a.css"])
async def test_a_response_to_a_user_is_private_on_public_paths_too(target: str) -> None:
    """Who may send a request, and who may keep the response, are unrelated."""
    scene = Scene()
    assert (await scene.ask(target, BOB)).all(b"cache-control") == [b"private, no-store"]
    assert (await scene.ask(target)).all(b"cache-control") == []


@pytest.mark.parametrize("name", [b"cache-control", b"Cache-Control"])
async def test_headers_that_can_be_read_only_once_and_their_names_in_capitals_stand(name: bytes) -> None:
    """The search for a length among them must leave them for the client."""

    async def once(scope: Scope, receive: Receive, send: Send) -> None:
        fields = iter([(name, b"no-cache"), (b"content-length", b"0"), (b"x-note", b"1")])
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body"})

    answer = await Scene(api=once).ask("/api/news", ADA)
    assert [field for field in answer.headers if field[0] != b"set-cookie"] == [
        (name, b"no-cache"),
        (b"content-length", b"0"),
        (b"x-note", b"1"),
    ]


@pytest.mark.parametrize("target", ["/static/js/index.js", "/component/a/index.html", "/_stcore/bidi-components/a.js"])
async def test_code_of_the_front_end_may_be_kept_by_caches(target: str) -> None:
    scene = Scene()
    assert (await scene.ask(target, BOB)).all(b"cache-control") == []
    scene.auth.set_cookies = (b"login=new",)
    assert (await scene.ask(target, BOB)).all(b"cache-control") == [b"private, no-store"]


class Socket:
    """A WebSocket that is open until one side closes it."""

    def __init__(self, scene: Scene, target: str, *fields: tuple[bytes, bytes]) -> None:
        self.sent: list[Message] = []
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        scope = scope_of(target, *fields, kind="websocket")
        self.task = asyncio.ensure_future(scene.gateway(scope, self.inbox.get, self._send))

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def opened(self) -> None:
        async with asyncio.timeout(60):
            while not self.sent:  # noqa: ASYNC110  # what the middleware does is over in a few turns of the loop
                await asyncio.sleep(0)

    async def closed(self) -> Message:
        async with asyncio.timeout(60):
            await self.task
        return self.sent[-1]


async def patient(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def test_websockets_are_closed_when_their_login_ends() -> None:
    scene = Scene(api=patient, ui=patient)
    async with scene.middleware.running():
        hers = [Socket(scene, "/api/chat", ADA), Socket(scene, "/_stcore/stream", ADA)]
        his = Socket(scene, "/api/chat", BOB)
        for each in (*hers, his):
            await each.opened()
        assert len(scene.middleware.connections) == 3
        started = time.monotonic()
        scene.auth.gone.put_nowait("handle-ada")
        for each in hers:
            assert (await each.closed())["code"] == 1008
        assert time.monotonic() - started < 10
        assert (len(scene.middleware.connections), his.task.done()) == (1, False)
        his.inbox.put_nowait({"type": "websocket.disconnect"})
        await his.task


async def test_an_idle_websocket_ends_with_its_time_and_a_busy_one_goes_on() -> None:
    scene = Scene(api=patient)
    now = time.time()
    scene.middleware.connections._wall = lambda: now
    scene.auth.expires_at = now + 100
    idle, busy = Socket(scene, "/api/chat", BOB), Socket(scene, "/api/chat", ADA)
    await idle.opened()
    await busy.opened()
    await asyncio.sleep(0)
    now += 60
    scene.auth.expires_at = now + 100
    busy.inbox.put_nowait({"type": "websocket.receive", "text": "x"})
    while not busy.inbox.empty():  # noqa: ASYNC110  # likewise
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    scene.middleware.connections.look()
    await asyncio.gather(*scene.middleware.connections._checks)
    now += 60
    scene.middleware.connections.look()
    assert (await idle.closed())["code"] == 1008
    assert not busy.task.done()
    now += 60
    scene.middleware.connections.look()
    assert (await busy.closed())["code"] == 1008


@pytest.mark.parametrize("target", ["/api/news", "/media/large.bin"])
@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-type", b"text/event-stream")],
        [(b"content-type", b"application/x-ndjson")],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/octet-stream"), (b"content-length", b"1000000000")],
    ],
)
async def test_a_stream_is_cut_when_its_login_ends(headers: list[tuple[bytes, bytes]], target: str) -> None:
    started = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        started.set()
        await asyncio.Event().wait()

    scene = Scene(api=endless, ui=endless)
    task = asyncio.create_task(scene.ask(target, ADA))
    await started.wait()
    assert scene.middleware.connections.end("handle-ada") == 1
    async with asyncio.timeout(60):
        assert (await task).status == 200


async def test_a_stream_that_sends_nothing_yet_is_cut_too() -> None:
    started = asyncio.Event()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        started.set()
        await asyncio.Event().wait()

    scene = Scene(api=silent)
    task = asyncio.create_task(scene.ask("/api/news", ADA))
    await started.wait()
    assert scene.middleware.connections.end("handle-ada") == 1
    async with asyncio.timeout(60):
        assert (await task).status == 200


@pytest.mark.parametrize(
    ("target", "fields", "changes", "status", "reason", "level"),
    [
        ("/api/me", [], {}, 401, "no credentials", "INFO"),
        ("/api/me", [(b"authorization", b"Bearer !401")], {}, 401, "credentials are not valid", "WARNING"),
        ("/api/me", [(b"authorization", b"Bearer !503")], {}, 503, "credentials cannot be checked", "WARNING"),
        ("/admin", [BOB], {}, 403, "the user lacks the role", "WARNING"),
        ("/api/me", [BOB], {"method": "POST"}, 403, "the CSRF check failed", "WARNING"),
    ],
)
async def test_refusals_are_security_events(
    target: str,
    fields: list[tuple[bytes, bytes]],
    changes: dict[str, Any],
    status: int,
    reason: str,
    level: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With user, address and reason.

    Without anything that is worth something to a reader of the log.
    """
    scene = Scene()
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        await scene.ask(f"{target}?code=secret", *fields, **changes)
    [record] = caplog.records
    facts = vars(record)
    assert (record.levelname, facts["status"], facts["reason"]) == (level, status, reason)
    assert (facts["client"], facts["path"], facts["event"]) == ("203.0.113.9", target, "access_denied")
    assert facts.get("user") == ("bob" if BOB in fields else None)
    assert "handle-" not in str(facts)


async def test_an_origin_for_websockets_proves_no_call_of_the_api() -> None:
    """`allowed_origins` is about WebSockets.

    Calls take `cors_allow_origins` with credentials.
    """
    scene = Scene()
    scene.middleware._origins = OriginPolicy.of(["https://partner.example"])
    partner = (b"origin", b"https://partner.example")
    assert (await scene.ask("/api/change", BOB, partner, method="POST")).status == 403
    assert (await scene.ask("/api/chat", BOB, partner, kind="websocket")).status == 101


async def test_a_page_calls_the_api_as_its_user_while_its_websocket_is_open() -> None:
    scene = Scene(ui=patient)
    socket = Socket(scene, "/_stcore/stream", ADA)
    await socket.opened()
    handle = next(iter(scene.middleware.connections._open))
    called = Recorder()

    async def call(*fields: tuple[bytes, bytes], path: str = "/api/me") -> int:
        scope = scope_of(path, *fields, client=None, method="POST")

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await scene.middleware.admit_page(called, scope, receive, send, scope["path"])

        return (await ask(application, scope)).status

    run = (b"x-fluxlit-run", handle.encode())
    assert await call(run) == 200
    assert called.last[USER].subject == "ada"
    assert not called.field(b"x-fluxlit-run")
    assert await call() == 401
    assert await call((b"x-fluxlit-run", b"guessed")) == 401
    assert await call(path="/api/hook") == 200
    # The public port knows no handles, even stolen ones.
    assert (await scene.ask("/api/me", run)).status == 401
    scene.middleware.connections.end("handle-ada")
    assert await call(run) == 401
    await socket.closed()


ORIGINS = [
    ("https://app.example/x", "evil.example", ("203.0.113.9", 1), False, "https://app.example"),
    ("", "evil.example", ("203.0.113.9", 1), False, None),
    ("", "localhost:8000", ("203.0.113.9", 1), False, None),
    ("", "localhost:8000", ("127.0.0.1", 1), False, "http://localhost:8000"),
    ("", "evil.example", ("127.0.0.1", 1), False, None),
    ("", "app.example", ("10.0.0.1", 1), True, "http://app.example"),
]


@pytest.mark.parametrize(("configured", "host", "client", "trusted", "origin"), ORIGINS)
async def test_a_strangers_host_is_never_taken_for_the_public_address(
    configured: str, host: str, client: tuple[str, int], trusted: bool, origin: str | None
) -> None:
    """A login redirects to an address of the operator or of a trusted peer."""
    trust = Trust.of(enabled=trusted, allowed=["10.0.0.1"])
    scene = Scene(trust=trust)
    seen: list[str | None] = []
    judge = scene.auth.authenticate

    async def authenticate(scope: Scope) -> Any:
        seen.append(PublicOrigin.of(configured)(scope))
        return await judge(scope)

    scene.auth.authenticate = authenticate  # type: ignore[method-assign]
    await scene.ask("/api/x", headers=[(b"host", host.encode())], client=client)
    assert seen == [origin]
