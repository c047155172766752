"""The API client against a real uvicorn on a UNIX socket, as pages use it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel

from fluxlit.client import ApiClient, ApiError, InternalApi, RequestOptions, configure, current
from fluxlit.errors import ClientError

BASE = "http://api.test/root/api"


class User(BaseModel):
    name: str


def build_api() -> FastAPI:
    api = FastAPI()
    add_data(api)
    add_redirects(api)
    add_streams(api)
    return api


def add_data(api: FastAPI) -> None:
    @api.api_route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def echo(request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "url": str(request.url),
            "body": (await request.body()).decode(),
            "headers": dict(request.headers),
        }

    @api.head("/echo")
    async def head() -> Response:
        return Response(headers={"x-seen": "yes"})

    @api.get("/users")
    async def users() -> list[User]:
        return [User(name="Ada"), User(name="Grace")]

    @api.post("/users", status_code=201)
    async def create(user: User) -> User:
        return user

    @api.get("/cookie")
    async def cookie(response: Response, request: Request) -> dict[str, str]:
        response.set_cookie("session", "of-user-a", path="/")
        return request.cookies


def add_redirects(api: FastAPI) -> None:
    @api.get("/folder/")
    async def folder() -> str:
        return "folder"

    @api.get("/away")
    async def away() -> RedirectResponse:
        return RedirectResponse("http://elsewhere.test/secret")

    @api.get("/out")
    async def out() -> RedirectResponse:
        return RedirectResponse("/root/admin")

    @api.get("/round")
    async def round_and_round() -> RedirectResponse:
        return RedirectResponse("/root/api/round")


def add_streams(api: FastAPI) -> None:
    @api.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(30)
        return "late"

    @api.get("/lines")
    async def lines() -> StreamingResponse:
        return StreamingResponse(iter(["one\n", "two\n"]), media_type="text/plain")

    @api.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept(subprotocol=socket.scope["subprotocols"][0] if socket.scope["subprotocols"] else None)
        await socket.send_text(socket.headers.get("authorization", "nobody"))
        await socket.send_bytes(await socket.receive_bytes())
        await socket.close()


@pytest.fixture(scope="module")
def api_socket() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "api.sock")
        server = uvicorn.Server(
            uvicorn.Config(_mounted(build_api()), uds=path, log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield path
        server.should_exit = True
        thread.join()


def _mounted(api: FastAPI) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await api(scope | {"root_path": "/root/api"} if "path" in scope else scope, receive, send)

    return application


@pytest.fixture
def client(api_socket: str) -> Iterator[ApiClient]:
    with ApiClient(BASE, uds=api_socket, headers={"x-page": "home"}) as client:
        yield client


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_every_method_reaches_the_api_under_its_own_mount(client: ApiClient, method: str) -> None:
    answer = getattr(client, method)("/echo", params={"q": "http://a.test/?b=c"}).json()

    assert answer["method"] == method.upper()
    assert answer["url"] == "http://api.test/root/api/echo?q=http%3A%2F%2Fa.test%2F%3Fb%3Dc"
    assert answer["headers"]["x-page"] == "home"


def test_head(client: ApiClient) -> None:
    assert client.head("/echo").headers["x-seen"] == "yes"


@pytest.mark.parametrize("path", ["echo?u=http://a.test/..", "/echo?u=//b"])
def test_a_query_in_the_path_may_hold_a_url(client: ApiClient, path: str) -> None:
    assert client.get(path).json()["url"].partition("?")[2] == path.partition("?")[2]


def test_json_null_is_sent(client: ApiClient) -> None:
    answer = client.post("/echo", json=None).json()

    assert (answer["body"], answer["headers"]["content-type"]) == ("null", "application/json")


def test_without_json_nothing_is_sent(client: ApiClient) -> None:
    assert client.post("/echo").json()["body"] == ""


def test_models_go_both_ways(client: ApiClient) -> None:
    assert client.get_model("/users", list[User]) == [User(name="Ada"), User(name="Grace")]
    assert client.post_model("/users", User, json={"name": "Hedy"}) == User(name="Hedy")


def test_an_error_status_is_told_with_its_reason(client: ApiClient) -> None:
    with pytest.raises(ApiError, match=r"POST /users answered 422 .*name") as caught:
        client.post_model("/users", User, json={})

    assert caught.value.response is not None
    assert caught.value.response.status_code == 422


def test_an_answer_of_another_shape_is_told(client: ApiClient) -> None:
    with pytest.raises(ApiError, match="GET /users does not fit"):
        client.get_model("/users", User)


def test_headers_and_bearer_stack_up_without_touching_the_original(client: ApiClient) -> None:
    other = client.with_bearer("abc").with_headers({"x-page": "other"})

    headers = other.get("/echo", headers={"x-call": "1"}).json()["headers"]
    assert (headers["authorization"], headers["x-page"], headers["x-call"]) == ("Bearer abc", "other", "1")
    assert "authorization" not in client.get("/echo").json()["headers"]


ESCAPES = [
    "http://evil.test/",
    "HTTPS://evil.test/",
    "//evil.test/x",
    "/a/../../b",
    "..",
    "a/%2e%2e/b",
    "a/.%2E/b",
    "a/%252e%252e/b",
    "a/%25252e%25252e/b",
    "a%2f..%2fb",
    "a/..%5cb",
    "a\\..\\b",
    "/a#b",
    "/a b",
    "/a\r\nHost: evil.test",
    "/a\x00",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out_of_the_api(client: ApiClient, path: str) -> None:
    with pytest.raises(ClientError):
        client.get(path)
    with pytest.raises(ClientError), client.websocket(path):
        pass
    with pytest.raises(ClientError), client.stream("GET", path):
        pass


@pytest.mark.parametrize(
    "path", ["/echo/", "/..a", "/a..b/...", "/items:batch", "/proxy/https:%2F%2Fa.test", "/ä/%C3%A4"]
)
def test_harmless_paths_pass(client: ApiClient, path: str) -> None:
    assert client.get(path).status_code in (200, 404)


def test_a_redirect_within_the_api_is_followed(client: ApiClient) -> None:
    assert client.get("/folder").json() == "folder"


@pytest.mark.parametrize("path", ["/away", "/out"])
def test_a_redirect_out_of_the_api_is_not(client: ApiClient, path: str) -> None:
    assert client.get(path).status_code == 307


def test_redirects_in_a_circle_end(client: ApiClient) -> None:
    assert client.get("/round").status_code == 307


def test_no_cookie_is_kept_for_the_next_user(client: ApiClient) -> None:
    assert client.get("/cookie").headers["set-cookie"].startswith("session=")
    assert client.get("/cookie").json() == {}


def test_nothing_is_taken_from_the_environment(
    api_socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.test login ada password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ApiClient(BASE, uds=api_socket) as client:
        assert "authorization" not in client.get("/echo").json()["headers"]


def test_a_slow_answer_is_not_waited_for_without_end(client: ApiClient) -> None:
    with pytest.raises(ApiError, match="GET /slow took too long"):
        client.get("/slow", timeout=0.2)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_timeout_has_a_bound(client: ApiClient, timeout: float) -> None:
    with pytest.raises(ClientError, match="positive number of seconds"):
        client.get("/users", timeout=timeout)


def test_an_api_that_is_not_there_is_told() -> None:
    with (
        ApiClient("http://127.0.0.1:9/api") as client,
        pytest.raises(ApiError, match=r"GET /users failed.*127\.0\.0\.1:9/api"),
    ):
        client.get("/users")


@pytest.mark.parametrize("base_url", ["", "api", "ftp://a.test", "http://", "http://a.test/?q=1", "http://a.test:x/"])
def test_a_base_url_must_be_one(base_url: str) -> None:
    with pytest.raises(ClientError, match="base_url"):
        ApiClient(base_url)


def test_a_stream_is_read_piece_by_piece(client: ApiClient) -> None:
    with client.stream("GET", "/lines") as response:
        assert not response.is_closed
        assert list(response.iter_lines()) == ["one", "two"]
    assert response.is_closed


def test_a_websocket_carries_headers_subprotocol_and_large_messages(client: ApiClient) -> None:
    large = b"x" * 1_000_000
    with client.with_bearer("abc").websocket("/ws", subprotocols=["b", "a"]) as socket:
        assert socket.subprotocol == "b"
        assert socket.receive_text(timeout=60) == "Bearer abc"
        socket.send_bytes(large)
        assert socket.receive_bytes(timeout=60) == large


def test_a_refused_websocket_is_told(client: ApiClient) -> None:
    with pytest.raises(ApiError, match=r"WebSocket /users was refused with 4\d\d"), client.websocket("/users"):
        pass


def test_an_error_in_a_websocket_block_is_the_callers_own(client: ApiClient) -> None:
    with pytest.raises(ZeroDivisionError), client.websocket("/ws"):
        raise ZeroDivisionError


def test_many_threads_share_one_client(client: ApiClient) -> None:
    def call(number: int) -> str:
        answer: str = client.with_headers({"x-number": str(number)}).get("/echo").json()["headers"]["x-number"]
        return answer

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(call, range(200))) == [str(number) for number in range(200)]


def test_the_process_is_told_where_its_api_is(api_socket: str) -> None:
    try:
        configure(InternalApi(base_url=BASE, uds=api_socket, headers={"x-internal": "secret"}))
        assert current().get("/echo").json()["headers"]["x-internal"] == "secret"
    finally:
        configure(None)
    with pytest.raises(ClientError, match="has not started here"):
        current()


def test_options_are_typed() -> None:
    options: RequestOptions = {"params": {"a": 1}, "timeout": 2.0}
    with ApiClient(
        BASE, transport=httpx.MockTransport(lambda request: httpx.Response(200, text=str(request.url)))
    ) as client:
        assert client.get("/x", **options).text == f"{BASE}/x?a=1"
