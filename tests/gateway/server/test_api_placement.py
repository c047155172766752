"""The API does the same in the gateway and in a worker of its own.

Costs about 8 s of processor time: one server for each backend.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fluxlit.testing import run_server
from fluxlit.testing.server import Server
from tests.support.processes import ROOT
from tests.support.session import Session
from tests.support.waiting import until

pytestmark = pytest.mark.slow

PLACES = {"process": 0, "worker": 1}
ADA = {"cookie": "login=ada:staff"}

APP = r"""
import asyncio
import logging
from contextlib import asynccontextmanager
from pathlib import Path

from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request, Response, UploadFile, WebSocket
from fastapi.responses import FileResponse, StreamingResponse

from fluxlit import FluxLit
from fluxlit.urls import PublicUrls
from fluxlit.users import CurrentUser, OptionalUser, require_roles
from tests.gateway.auth.scripted import Scripted

KEYS = ("http_version", "scheme", "root_path", "path", "client", "server", "type", "method", "query_string", "raw_path")


@asynccontextmanager
async def lifespan(api):
    yield {"greeting": "hello"}
    Path("stopped").touch()


app = FluxLit(api=FastAPI(lifespan=lifespan), auth=Scripted())
api, sub = app.api, FastAPI()
app.api.mount("/sub", sub)
done: list[str] = []
state = {"produced": 0, "left": False, "go": asyncio.Event()}


@api.api_route("/mirror/{rest:path}", methods=["GET", "POST", "DELETE"], name="mirror")
async def mirror(rest: str, request: Request, user: OptionalUser):
    seen = {key: repr(request.scope[key]) for key in KEYS}
    seen |= {"url": str(request.url), "self": str(request.url_for("mirror", rest=rest)), "rest": rest}
    seen |= {"greeting": request.state.greeting, "body": (await request.body()).decode(), "user": repr(user)}
    return seen | {"headers": sorted(map(repr, request.scope["headers"]))}


@sub.get("/mirror", name="submirror")
def submirror(request: Request):
    return {"url": str(request.url_for("submirror")), "root": request.scope["root_path"]}


@api.get("/answers/cookies")
def cookies(response: Response):
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return {"ä": None}


@api.api_route("/answers/file", methods=["GET", "HEAD"])
def file():
    return FileResponse("app.py", filename="ä.py")


@api.delete("/answers/empty", status_code=204)
def empty():
    return None


@api.get("/answers/number/{number}")
def number(number: int):
    raise HTTPException(418, "no", {"X-Reason": str(number)})


@api.post("/answers/form")
async def form(file: UploadFile, name: Annotated[str, Form()], tasks: BackgroundTasks):
    tasks.add_task(done.append, name)
    return [name, file.filename, len(await file.read()), file.content_type]


@api.get("/answers/done")
def tasks_done():
    return done


@api.get("/me")
def me(user: CurrentUser):
    return {"name": user.name, "roles": sorted(user.roles), "claims": user.claims, "session": user.session}


@api.get("/admin", dependencies=[Depends(require_roles("admin"))])
def admin():
    return "in"


@api.post("/write")
def write(user: CurrentUser):
    return "written"


@api.get("/urls")
def urls(urls: PublicUrls):
    return urls.app


@api.get("/log")
def log():
    logging.getLogger("shop").warning("logged by a route")


@api.get("/broken")
def broken():
    raise RuntimeError("no such thing")


@api.get("/down")
async def down(size: int):
    async def parts():
        for _ in range(size >> 16):
            state["produced"] += 1 << 16
            yield b"x" * (1 << 16)

    return StreamingResponse(parts())


@api.get("/produced")
async def produced() -> int:
    return state["produced"]


@api.post("/up")
async def up(request: Request) -> int:
    await state["go"].wait()
    return sum([len(part) async for part in request.stream()])


@api.get("/go")
async def go():
    state["go"].set()


@api.get("/events")
async def events(request: Request):
    async def parts():
        try:
            yield "data: 1\n\n"
            await asyncio.Event().wait()
        finally:
            state["left"] = True

    return StreamingResponse(parts(), media_type="text/event-stream")


@api.get("/left")
async def left() -> bool:
    return state["left"]


@api.websocket("/socket")
async def socket(socket: WebSocket, user: OptionalUser, refuse: bool = False):
    if refuse:
        raise HTTPException(418, "no")
    await socket.accept(subprotocol=socket.scope["subprotocols"][0])
    await socket.send_json({"url": str(socket.url), "user": user and user.name, "greeting": socket.state.greeting})
    async for text in socket.iter_text():
        if text == "close":
            await socket.close(4001, "as asked")
            return
        await socket.send_text(text)


@app.page("/", public=True)
def home(st):
    st.text("home")


@app.page("/calls")
def calls(st, client):
    st.text(client.get("/me").json()["name"])
    st.text(str(client.get("/admin").status_code))
"""

SETTINGS: dict[str, Any] = {
    "log_format": "json",
    "root_path": "/apps/shop",
    "trust_proxy": True,
    "cors_allow_origins": ["https://friend.example"],
    "cors_allow_credentials": True,
    "public_paths": ["/api/mirror/", "/api/sub/", "/api/down", "/api/produced", "/api/up", "/api/go", "/api/events",
                     "/api/left", "/api/answers/", "/api/socket", "/api/urls", "/api/log", "/api/broken",
                     "/api/openapi.json"],
}  # fmt: skip


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Server]]:
    """The same application with both backends."""
    with ExitStack() as stack:
        found = {}
        for place, workers in PLACES.items():
            folder = tmp_path_factory.mktemp(place)
            (folder / "app.py").write_text(APP)
            found[place] = stack.enter_context(
                run_server(
                    "app:app",
                    folder,
                    command="run",
                    environment={"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
                    api_workers=workers,
                    **SETTINGS,
                )
            )
        yield found


@pytest.fixture(params=PLACES)
def server(request: pytest.FixtureRequest, servers: Mapping[str, Server]) -> Server:
    return servers[request.param]


def client(server: Server, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=server.api_url, trust_env=False, timeout=60, **options)


def settled(number: Callable[[], int]) -> int:
    """A number above 0 once it has stopped to grow."""
    seen: list[int] = []

    def stands_still() -> bool:
        seen.append(number())
        return seen[-1] > 0 and len(seen) > 10 and len(set(seen[-10:])) == 1

    until(stands_still)
    return seen[-1]


REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "plain": ("GET", "/mirror/a", {}, b""),
    "query": ("GET", "/mirror/a?x=1&x=%C3%A4&y", {}, b""),
    "encoded": ("GET", "/mirror/%C3%A4%20b%2Fc;d//e", {}, b""),
    "body": ("POST", "/mirror/a", {"content-type": "text/plain", "x-request-id": "abc"}, "hällo".encode()),
    "delete": ("DELETE", "/mirror/a", {"if-match": "x", "accept-encoding": "gzip, br"}, b""),
    "edge": ("GET", "/mirror/a", {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https",
                                  "x-forwarded-host": "shop.example"}, b""),
    "user": ("GET", "/mirror/a", {**ADA, "authorization": "Basic eDp5"}, b""),
    "bearer": ("GET", "/mirror/a", {"authorization": "Bearer bob"}, b""),
    "forged": ("GET", "/mirror/a", {"x-fluxlit-user": "e30=", "x_fluxlit_user": "e30=",
                                    "x-fluxlit-scope": '{"client":["192.0.2.1",1]}', "connection": "x-fluxlit-scope"},
               b""),
}  # fmt: skip

VARIABLE = {"'x-request-id'", "'host'", "'connection'"}
"""Headers with a random value, with the port, or of one connection."""


@pytest.mark.parametrize("name", REQUESTS)
def test_the_api_sees_the_same_request(servers: Mapping[str, Server], name: str) -> None:
    method, path, headers, body = REQUESTS[name]
    seen = {}
    for place, server in servers.items():
        parts = urlsplit(server.api_url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        connection.request(method, parts.path + path, body or None, headers)
        response = connection.getresponse()
        assert response.status == 200
        found = json.loads(response.read())
        own_port = connection.sock.getsockname()[1] if connection.sock else 0
        text = json.dumps(found).replace(f"{parts.port}", "PORT").replace(f"{own_port}", "CLIENT")
        found = json.loads(text)
        found["headers"] = [each for each in found["headers"] if each.split(",")[0].strip("(b") not in VARIABLE]
        seen[place] = found
        connection.close()
    assert seen["worker"] == seen["process"]
    assert ("Ada" in seen["worker"]["user"]) == (name == "user")


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"
)

ANSWERS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "cookies": ("GET", "/answers/cookies", {}, b""),
    "a file": ("GET", "/answers/file", {}, b""),
    "the head of a file": ("HEAD", "/answers/file", {}, b""),
    "a part of a file": ("GET", "/answers/file", {"range": "bytes=5-20"}, b""),
    "no part of a file": ("GET", "/answers/file", {"range": "bytes=999999-"}, b""),
    "nothing": ("DELETE", "/answers/empty", {}, b""),
    "an error of the route": ("GET", "/answers/number/7", {}, b""),
    "an invalid value": ("GET", "/answers/number/x", {}, b""),
    "another method": ("PATCH", "/answers/cookies", {}, b""),
    "no route": ("GET", "/answers/none", {}, b""),
    "a slash too many": ("GET", "/answers/cookies/?x=1", {}, b""),
    "documentation": ("GET", "/docs", {}, b""),
    "a mount without its slash": ("GET", "/sub", {}, b""),
    "a form": ("POST", "/answers/form", {"content-type": "multipart/form-data; boundary=b"}, FORM),
    "an exception": ("GET", "/broken", {}, b""),
    "no user": ("GET", "/me", {"accept": "application/json"}, b""),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_the_client_sees_the_same_response(servers: Mapping[str, Server], name: str) -> None:
    method, path, headers, body = ANSWERS[name]
    seen = {}
    for place, server in servers.items():
        with client(server) as http:
            response = http.request(method, path, headers=headers, content=body)
            fields = sorted(each for each in response.headers.multi_items() if each[0] not in OF_ONE_SERVER)
            text = response.text.replace(response.headers["x-request-id"], "ID")
            location = response.headers.get("location", "").replace(server.url, "")
            if name == "a form":
                until(lambda http=http: http.get("/answers/done").json() == ["Ada"])  # type: ignore[misc]
        seen[place] = (response.status_code, fields, location, text)
    assert seen["worker"] == seen["process"]


OF_ONE_SERVER = {"date", "x-request-id", "location", "etag", "last-modified"}
"""Headers that differ between two servers, for they have a time, a port or a file of their own."""


def test_the_edge_may_have_removed_the_mount(server: Server) -> None:
    with httpx.Client(base_url=server.url.removesuffix("/apps/shop"), trust_env=False, timeout=60) as http:
        assert http.get("/api/mirror/a").json()["self"] == f"{server.api_url}/mirror/a"


@pytest.mark.anyio
async def test_a_page_calls_the_api_as_its_user(server: Server) -> None:
    async with Session(server.url, cookie=ADA["cookie"]) as tab:
        assert await tab.run("calls") == ["Ada", "403"]


def test_http_1_0_is_answered_alike(servers: Mapping[str, Server]) -> None:
    found = set()
    for server in servers.values():
        parts = urlsplit(server.api_url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        connection._http_vsn_str = "HTTP/1.0"  # type: ignore[attr-defined]
        connection.request("GET", f"{parts.path}/mirror/a")
        found.add(json.loads(connection.getresponse().read())["http_version"])
        connection.close()
    assert found == {"'1.0'"}


def test_a_sub_application_knows_its_address(server: Server) -> None:
    with client(server) as http:
        assert http.get("/sub/mirror").json() == {"url": f"{server.api_url}/sub/mirror", "root": "/apps/shop/api/sub"}


def test_the_user_arrives_whole_and_nobody_can_forge_one(server: Server) -> None:
    with client(server) as http:
        assert http.get("/me", headers=ADA).json() == {
            "name": "Ada",
            "roles": ["staff"],
            "claims": {"groups": ["ünï", "two"]},
            "session": "handle-ada",
        }
        assert http.get("/me", headers={"x-fluxlit-user": "e30="}).status_code == 401
        assert http.get("/admin", headers=ADA).status_code == 403
        assert http.get("/admin", headers={"cookie": "login=ada:admin"}).json() == "in"


def test_a_write_from_another_site_is_refused(server: Server) -> None:
    with client(server) as http:
        assert http.post("/write", headers={**ADA, "origin": "https://evil.example"}).status_code == 403
        assert http.post("/write", headers={**ADA, "sec-fetch-site": "same-origin"}).json() == "written"


def test_cors_allows_the_configured_origin(server: Server) -> None:
    friend = {"origin": "https://friend.example", "access-control-request-method": "PUT"}
    with client(server) as http:
        assert http.options("/mirror/a", headers=friend).headers["access-control-allow-origin"] == friend["origin"]
        seen = http.get("/mirror/a", headers={"origin": friend["origin"]})
        assert seen.headers.get_list("access-control-allow-origin") == [friend["origin"]]


def test_the_openapi_document_has_address_and_security(server: Server) -> None:
    with client(server) as http:
        document = http.get("/openapi.json").json()
    assert document["servers"] == [{"url": "/apps/shop/api"}]
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}


def test_health_and_readiness_are_the_gateways(server: Server) -> None:
    with client(server) as http:
        assert http.get("/healthz").json() == {"status": "ok"}
        assert http.get("/readyz").json() == {"status": "ready", "streamlit": "ok"}


def test_faults_and_log_lines_of_routes_carry_the_request_id(server: Server) -> None:
    with client(server) as http:
        assert http.get("/log", headers={"x-request-id": "log-1"}).status_code == 200
        assert http.get("/broken", headers={"x-request-id": "broken-1"}).status_code == 500
    until(lambda: "broken-1" in server.log())
    line = next(line for line in server.log().splitlines() if "logged by a route" in line)
    assert json.loads(line)["request_id"] == "log-1"
    assert "no such thing" in server.log()


def test_a_websocket_carries_user_messages_and_the_closing_code(server: Server) -> None:
    address = server.api_url.replace("http:", "ws:") + "/socket"
    with connect(address, subprotocols=["one", "two"], additional_headers=ADA, proxy=None) as socket:  # type: ignore[list-item]
        assert json.loads(socket.recv()) == {"url": address, "user": "Ada", "greeting": "hello"}
        assert socket.subprotocol == "one"
        long = "ä" * 200_000
        socket.send(long)
        assert socket.recv() == long
        socket.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")
    with pytest.raises(InvalidStatus) as refused, connect(f"{address}?refuse=1", proxy=None):
        pass
    assert refused.value.response.status_code == 418


def test_events_come_at_once_and_the_route_notices_that_the_client_left(server: Server) -> None:
    with client(server) as http:
        with http.stream("GET", "/events") as response:
            parts = response.iter_text()
            assert next(parts) == "data: 1\n\n"
        until(lambda: http.get("/left").json())


def test_a_download_waits_for_its_client(server: Server) -> None:
    size = 96 << 20
    with client(server) as http, client(server) as other, http.stream("GET", f"/down?size={size}") as response:
        parts = response.iter_raw(1)
        assert next(parts)
        assert settled(lambda: int(other.get("/produced").json())) < 48 << 20


def test_an_upload_waits_for_the_route(server: Server) -> None:
    taken, size = [0], 96 << 20

    def parts() -> Iterator[bytes]:
        for _ in range(size >> 16):
            taken[0] += 1 << 16
            yield b"x" * (1 << 16)

    received: list[int] = []

    def upload() -> None:
        with client(server) as http:
            received.append(http.post("/up", content=parts()).json())

    uploading = threading.Thread(target=upload)
    uploading.start()
    try:
        assert settled(lambda: taken[0]) < 48 << 20
    finally:
        with client(server) as http:
            http.get("/go")
        uploading.join(60)
    assert received == [size]


def test_calls_of_pages_know_the_listener_and_cannot_invent_a_user(server: Server) -> None:
    (socket,) = page_sockets(server)
    transport = httpx.HTTPTransport(uds=str(socket))
    with httpx.Client(transport=transport, base_url="http://localhost/apps/shop/api") as http:
        assert http.get("/urls").json() == f"{server.url}/"
        assert http.get("/me", headers={"x-fluxlit-user": "e30="}).status_code == 401
        assert http.get("/me", headers={"authorization": "Bearer bob"}).json()["name"] == "Bob"


def page_sockets(server: Server) -> list[Path]:
    folder = Path(f"/proc/{server.process.pid}/cwd").readlink()
    return list(folder.glob("fluxlit-*/api.sock"))
