"""The API client that pages use.

Rules, and why:

- Paths are relative to the API and stay below it. A page that builds a path from what a user typed must not
  be led to another host, or out of the API by `..`.
- No cookie is kept. One process serves many users, and a cookie set for one must not be sent for another.
- The environment's proxies are not used: the API is on this machine, mostly behind a private socket.
- Redirects are followed within the API only (FastAPI redirects `/users` to `/users/`).
- Idle connections are dropped before a server would (uvicorn keeps them 5 s), so that a request is not sent
  into a connection that is just being closed.
"""

from __future__ import annotations

import copy
import functools
import math
import re
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, TypeVar, Unpack, cast
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from fluxlit._internal.lazy import lazy_import
from fluxlit.errors import ClientError

if TYPE_CHECKING:
    import httpx
    import httpx_ws
else:
    # The gateway's process knows this module but makes no calls: it is spared a third of its start and 15 MB.
    httpx = lazy_import("httpx")
    httpx_ws = lazy_import("httpx_ws")

T = TypeVar("T")

TIMEOUT_S = 30.0
"""How long a page waits for each step of a call."""

PATIENT_S = 3600.0
"""The same during development, as the route may stand at a breakpoint."""

_MAX_REDIRECTS = 5
_CONNECT_TIMEOUT_S = 5.0
_IDLE_CONNECTION_S = 2.0
_SHOWN_BODY_CHARACTERS = 300
# As much as a Streamlit page can receive from its browser in one message (25 MB).
_MAX_WEBSOCKET_MESSAGE_BYTES = 25 * 1024 * 1024

_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|//")
_SEPARATOR = re.compile(r"[/\\]")
_MAX_LAYERS = 5
_FORBIDDEN = re.compile(r"[\\#\x00-\x20\x7f]")


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[Any] = _Unset()


class ApiError(ClientError):
    """A call to the API failed.

    The API cannot be reached, or its response is an error or does not fit the requested type.

    Attributes:
        response: the HTTP response, `None` if there was none.
    """

    def __init__(self, message: str, response: httpx.Response | None = None) -> None:
        self.response = response
        super().__init__(message)


class RequestOptions(TypedDict, total=False):
    """What every call accepts beside method and path.

    `json` may be `None`, which sends JSON's null. `timeout` is in seconds; without one the client's applies.
    """

    params: Mapping[str, Any] | list[tuple[str, Any]] | None
    headers: Mapping[str, str] | None
    json: Any
    content: Any
    data: Mapping[str, Any] | None
    files: Any
    timeout: float


@dataclass(frozen=True)
class InternalApi:
    """Where the pages of this process find their API.

    Attributes:
        base_url: the API as it sees itself: scheme, host and mount.
        uds: UNIX socket to connect to in place of the URL's host.
        headers: sent with every request.
        identify: returns headers that identify the calling page; runs in the thread of the call.
        timeout: seconds for each step of a call.
    """

    base_url: str
    uds: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    identify: Callable[[], Mapping[str, str]] | None = None
    timeout: float = TIMEOUT_S


class ApiClient:
    """The API client of pages: thread-safe, with one connection pool.

    ```python
    client.get("/users", params={"page": 2}).json()
    client.post_model("/users", User, json={"name": "Ada"})
    ```

    Args:
        base_url: `http(s)://host[:port][/mount]` of the API.
        uds: UNIX socket to connect to in place of the URL's host.
        headers: sent with every request.
        timeout: seconds for each step of a call (send, next bytes of the response); connecting gets 5 at most.
        transport: how to reach the API, in place of the network; for tests.
        identify: gives headers for one call, in the thread that makes it. So a client that is kept, by
            `st.cache_resource` for instance, still calls as the user of the running page.

    Raises:
        ClientError: if `base_url` is not such a URL or `timeout` is not a positive number.
    """

    def __init__(
        self,
        base_url: str,
        *,
        uds: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
        identify: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._base = _parse_base(base_url)
        self._headers = httpx.Headers(headers)
        self._timeout = _parse_timeout(timeout)
        self._identify = identify
        from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415  # httpx imports it, too

        from fluxlit._internal.api_response import ApiResponseTransport  # noqa: PLC0415  # imports httpx

        inner = transport or httpx.HTTPTransport(uds=uds, limits=_connections(), trust_env=False)
        self._http = httpx.Client(
            transport=ApiResponseTransport(inner, httpx.URL(self._base).path),
            trust_env=False,
            follow_redirects=False,
            timeout=self._timeout,
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pool of connections, also for clients made by `with_headers`."""
        self._http.close()

    @property
    def base_url(self) -> str:
        """The API's URL, without a slash at the end."""
        return self._base

    def with_headers(self, headers: Mapping[str, str]) -> ApiClient:
        """A client that sends these headers too; it shares the pool of this one."""
        other = copy.copy(self)
        other._headers = self._merged(headers)  # noqa: SLF001 - the copy is one of us
        return other

    def with_bearer(self, token: str) -> ApiClient:
        """A client that sends a bearer token; it shares the pool of this one."""
        return self.with_headers({"Authorization": f"Bearer {token}"})

    def get(self, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """GET; see `request`."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """HEAD; see `request`."""
        return self.request("HEAD", path, **options)

    def options(self, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """OPTIONS; see `request`."""
        return self.request("OPTIONS", path, **options)

    def post(self, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """POST; see `request`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """PUT; see `request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """PATCH; see `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """DELETE; see `request`."""
        return self.request("DELETE", path, **options)

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """Send a request and read the whole response, for any status.

        Args:
            method: the HTTP method.
            path: path below the API's root, with or without a slash in front; may hold a query.
            options: see `RequestOptions`.

        Raises:
            ClientError: if the path leads out of the API.
            ApiError: if the API does not answer.
        """
        return self._send(method, path, options, stream=False)

    @contextmanager
    def stream(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Iterator[httpx.Response]:
        """Send a request and yield the response before its body is read.

        The body is closed at the end.

        Raises:
            ClientError: if the path leads out of the API.
            ApiError: if the API does not answer.
        """
        response = self._send(method, path, options, stream=True)
        try:
            yield response
        finally:
            response.close()

    def get_model(self, path: str, model: type[T], **options: Unpack[RequestOptions]) -> T:
        """GET and parse the response; see `request_model`."""
        return self.request_model("GET", path, model, **options)

    def post_model(self, path: str, model: type[T], **options: Unpack[RequestOptions]) -> T:
        """POST and parse the response; see `request_model`."""
        return self.request_model("POST", path, model, **options)

    def request_model(self, method: str, path: str, model: type[T], **options: Unpack[RequestOptions]) -> T:
        """Send a request and parse the JSON response.

        Args:
            method: the HTTP method.
            path: path below the API's root.
            model: what to parse into: `User`, `list[User]`, `dict[str, int]`.
            options: see `RequestOptions`.

        Raises:
            ApiError: if the status is not 2xx, or the body does not fit; `response` holds the response.
        """
        response = self.request(method, path, **options)
        call = f"{method} {path}"
        if not response.is_success:
            raise ApiError(f"{_failure(response, call)}: {_excerpt(response)}", response)
        try:
            parsed: T = _adapter(cast("Hashable", model)).validate_json(response.content)
        except ValidationError as error:
            raise ApiError(f"The response to {call} does not fit {model}: {error}", response) from error
        return parsed

    @contextmanager
    def websocket(
        self,
        path: str,
        *,
        subprotocols: list[str] | None = None,
        headers: Mapping[str, str] | None = None,
        max_message_bytes: int = _MAX_WEBSOCKET_MESSAGE_BYTES,
    ) -> Iterator[httpx_ws.WebSocketSession]:
        """Open a WebSocket below the API's root; it is closed at the end.

        Args:
            path: path below the API's root.
            subprotocols: offered to the API, best first.
            headers: sent with the handshake, beside those of the client.
            max_message_bytes: longest message accepted from the API.

        Raises:
            ClientError: if the path leads out of the API.
            ApiError: if the API refuses the WebSocket or cannot be reached.
        """
        sent = dict(self._signed(headers))
        with ExitStack() as stack:
            try:
                session: httpx_ws.WebSocketSession = stack.enter_context(
                    httpx_ws.connect_ws(
                        self._url(path),
                        self._http,
                        subprotocols=subprotocols,
                        headers=sent,
                        max_message_size_bytes=max_message_bytes,
                    )
                )
            except httpx_ws.WebSocketUpgradeError as error:
                answer = error.response
                raise ApiError(f"WebSocket {path} was refused with {_status(answer)}.", answer) from error
            except httpx.HTTPError as error:
                raise _unreachable(f"WebSocket {path}", self._base, error) from error
            yield session

    def _send(self, method: str, path: str, options: RequestOptions, *, stream: bool) -> httpx.Response:
        request = self._http.build_request(method, self._url(path), **self._arguments(options))
        try:
            response = self._http.send(request, stream=stream)
            for _ in range(_MAX_REDIRECTS):
                onward = response.next_request
                if onward is None or not self._is_inside(onward.url):
                    break
                response.close()
                response = self._http.send(onward, stream=stream)
        except httpx.HTTPError as error:
            raise _unreachable(f"{method} {path}", self._base, error) from error
        return response

    def _arguments(self, options: RequestOptions) -> dict[str, Any]:
        arguments: dict[str, Any] = dict(options)
        headers = self._signed(options.get("headers"))
        if arguments.get("json", UNSET) is None:
            del arguments["json"]
            arguments["content"] = b"null"
            headers.setdefault("Content-Type", "application/json")
        arguments["headers"] = headers
        arguments["timeout"] = _parse_timeout(options["timeout"]) if "timeout" in options else self._timeout
        if arguments.get("params") is None:  # None would drop the query that the path holds
            arguments.pop("params", None)
        return arguments

    def _merged(self, headers: Mapping[str, str] | None) -> httpx.Headers:
        merged = httpx.Headers(self._headers)
        merged.update(headers)
        return merged

    def _signed(self, headers: Mapping[str, str] | None) -> httpx.Headers:
        """The headers of one call: of the client, the call and the caller."""
        signed = self._merged(headers)
        signed.update(self._identify() if self._identify is not None else None)
        return signed

    def _url(self, path: str) -> str:
        _check_path(path)
        url = f"{self._base}/{path.removeprefix('/')}"
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ClientError(f"{path!r} is not a valid path: {error}") from error
        if not self._is_inside(parsed):
            raise ClientError(f"{path!r} leads out of the API at {self._base}. Give a path below the API's root.")
        return url

    def _is_inside(self, url: httpx.URL) -> bool:
        base = httpx.URL(self._base)
        same_server = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        return same_server and f"{url.path}/".startswith(f"{base.path.rstrip('/')}/")


class _Own:
    """Where this process finds its API, and the lazily built client for it."""

    def __init__(self, api: InternalApi | ApiClient | None = None) -> None:
        self._api = api
        self._client: ApiClient | None = None
        self._lock = threading.Lock()

    def client(self) -> ApiClient | None:
        if isinstance(self._api, ApiClient):
            return self._api
        with self._lock:
            if self._client is None and (api := self._api) is not None:
                self._client = ApiClient(
                    api.base_url, uds=api.uds, headers=api.headers, identify=api.identify, timeout=api.timeout
                )
            return self._client

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()


_own = _Own()


def configure(api: InternalApi | ApiClient | None) -> None:
    """Set where this process finds its API, or its client; `None` removes it.

    Called once when the process starts, and by tests.
    """
    global _own
    previous, _own = _own, _Own(api)
    previous.close()


def current() -> ApiClient:
    """The client of this process, for scripts; it calls as their visitor.

    Raises:
        ClientError: if the process has no API to call.
    """
    client = _own.client()
    if client is None:
        raise ClientError(
            "There is no API to call in this process: FluxLit has not started here. Start the application with "
            "`fluxlit run` or uvicorn; in tests, use fluxlit.testing."
        )
    return client


def _parse_base(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ClientError(f"base_url {base_url!r} is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ClientError(f"base_url {base_url!r} must look like http://host:port/api, without a query.")
    return base_url.rstrip("/")


def _connections() -> httpx.Limits:
    return httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=_IDLE_CONNECTION_S)


def _parse_timeout(seconds: float) -> httpx.Timeout:
    if not 0 < seconds < math.inf:
        raise ClientError(
            f"timeout must be a positive number of seconds, not {seconds!r}: a page must not wait for ever."
        )
    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_TIMEOUT_S))


def _check_path(path: str) -> None:
    """Refuse a path that could leave the API, in any spelling."""
    if _ABSOLUTE.match(path):
        raise ClientError(
            f"{path!r} is an absolute URL. The client calls this application's API only: give a path such as '/users'."
        )
    route = path.partition("?")[0]
    found = _FORBIDDEN.search(route)
    if found:
        raise ClientError(
            f"{path!r} holds {found.group()!r}. Encode parts of a path with urllib.parse.quote(part, safe='')."
        )
    decoded = route
    for _ in range(_MAX_LAYERS):
        decoded = unquote(decoded)
    if decoded != unquote(decoded):
        raise ClientError(f"{path[:80]!r} is percent-encoded more than {_MAX_LAYERS} times.")
    if ".." in _SEPARATOR.split(decoded):
        raise ClientError(f"{path!r} holds a '..' segment, which could leave the API. Give the path without it.")


def _unreachable(call: str, base: str, error: httpx.HTTPError) -> ApiError:
    if isinstance(error, httpx.TimeoutException):
        reason = "took too long: no response within the timeout"
    else:
        reason = f"failed: {str(error) or type(error).__name__}"
    return ApiError(f"{call} {reason} (API at {base}).")


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _failure(response: httpx.Response, call: str) -> str:
    named: str = getattr(response, "failure", f"{call} answered {_status(response)}")
    return named


def _excerpt(response: httpx.Response) -> str:
    text = response.text.strip()
    return text if len(text) <= _SHOWN_BODY_CHARACTERS else f"{text[:_SHOWN_BODY_CHARACTERS]}..."


@functools.lru_cache(maxsize=256)
def _adapter(model: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", model))
