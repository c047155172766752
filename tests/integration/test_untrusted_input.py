"""No bytes of a client can hold the event loop: all parsers are linear.

Two lists are reviewed by hand and compared with the source: the regular expressions and the conversions to numbers in
modules that see bytes of clients. A new one is added here with an example, after a look at what it does with 64 kB.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import functools
import importlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fluxlit._internal.asgi import Application, Message, Scope
from fluxlit.auth.access_policy import AccessPolicy
from fluxlit.auth.contract import Verdict
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.backends import affinity
from fluxlit.client import _check_path
from fluxlit.errors import ClientError
from fluxlit.frontend.content_negotiation import chosen, matches
from fluxlit.gateway import Gateway, OriginPolicy, RouteTable, Trust
from fluxlit.gateway.forwarding import forwarded_elements, sender
from fluxlit.gateway.origin_policy import normalised
from fluxlit.gateway.static_assets import sliced
from fluxlit.observability.access_log import AccessLog
from fluxlit.observability.logs import JsonLogFormatter, RedactionFilter, TerminalLogFormatter, redact
from fluxlit.observability.logs.redaction import redact_query
from fluxlit.observability.middleware import ObservabilityMiddleware
from fluxlit.proxy.headers import HANDSHAKE_DROPPED, end_to_end
from fluxlit.proxy.message_framing import Framing, RefusedError
from fluxlit_auth.login.cookies import read_cookies
from fluxlit_auth.login.return_path import return_path
from tests.gateway.auth.scripted import Scripted
from tests.gateway.gateway.asking import Recorder, scope_of

PACKAGES = Path(__file__).parents[2] / "packages"

LENGTH = 65_536
QUICK_S = 0.002
"""Shorter runs are not compared: they measure the clock."""
MOST = 9.0
"""The factor in time for four times the length: 4 if it is linear, 16 if it is quadratic."""

DELIMITERS = [
    *(";", ",", "=", '"', "\\", "&", "?", "#", ":", "/", ".", "%", "-", "_", "(", ")", "[", "]", "{", "}", "<", ">"),
    *("'", "@", " ", "a", "0", '\\"', '"\\', "a=", '",', 'a="', "; ", ", ", "a;", "%25", "a=;", "://", "//:", ":@"),
    *("for=", 'for="', "=,", "cookie ", "cookie:", '"cookie":"', '\\"cookie\\":\\"', "cookie='", "bearer ", "q=0"),
    *("eyJ-", "-eyJaaaaaaaa.", "session ", "token=", "&token=a", "/_stcore/upload_file/"),
    *("fluxlit_worker=a;", "login=a;", "__Host-fluxlit-session=a;"),
]


def seconds(run: Callable[[int], object], length: int, runs: int) -> float:
    """How long a run takes at best; a quick one is not repeated."""
    best = float("inf")
    for _ in range(runs):
        began = time.thread_time()
        run(length)
        best = min(best, time.thread_time() - began)
        if best < QUICK_S:
            break
    return best


def ratio(run: Callable[[int], object], length: int = LENGTH) -> float:
    """The factor in time for four times the length; 0 for quick runs."""
    for runs in (2, 5):  # more only where two say that it is slow
        large = seconds(run, length, runs)
        found = large / max(seconds(run, length // 4, runs), QUICK_S / 4) if large > QUICK_S else 0.0
        if found <= MOST:
            break
    return found


def repeat(run: Callable[[str], object], unit: str, length: int) -> None:
    run((unit * length)[:length])


def assert_linear(run: Callable[[str], object], *more: str, length: int = LENGTH) -> None:
    units = [*DELIMITERS, *more]
    slow = {unit: found for unit in units if (found := ratio(partial(repeat, run, unit), length)) > MOST}
    assert not slow, f"four times as much takes more than {MOST} times as long: {slow}"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


async def ask(application: Application, scope: Scope) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        del message

    await application(scope, receive, send)


class Reading(Scripted):
    """Reads cookies as the login does; `http.cookies` is not linear."""

    async def authenticate(self, scope: Scope) -> Verdict:
        return self._verdict("ada", "oidc") if read_cookies(scope) else Verdict()


def gateway() -> ObservabilityMiddleware:
    origins = OriginPolicy.of(["https://other.example"])
    rules = AccessPolicy(paths=("/api/hook", "/api/public/"), pages=frozenset({"/"}))
    served = Gateway(
        routes=RouteTable("/api"),
        api=Recorder(),
        ui=Recorder(),
        readiness=lambda: None,  # type: ignore[arg-type,return-value]  # never asked
        trust=Trust.of(enabled=True, allowed=["*"]),
        origins=origins,
        guard=AuthMiddleware([Reading()], rules, origins=origins, api="/api").admit,
    )
    return ObservabilityMiddleware(served, log=AccessLog(gateway=True, api=True))


HEADERS = [
    *("accept", "accept-encoding", "authorization", "connection", "cookie", "forwarded", "host", "if-none-match"),
    *("origin", "range", "sec-fetch-site", "te", "transfer-encoding", "via", "x-forwarded-for", "x-forwarded-host"),
    *("x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto", "x-request-id", "content-length", "traceparent"),
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The access log goes through filter and formatter, and no further."""
    logger = logging.getLogger("fluxlit.access")
    handler = logging.StreamHandler(stream=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    handler.setFormatter(TerminalLogFormatter())
    handler.addFilter(RedactionFilter())
    logger.addHandler(handler)
    logger.propagate, logger.level = False, logging.INFO
    yield
    logger.removeHandler(handler)
    logger.propagate, logger.level = True, logging.NOTSET
    handler.stream.close()


@pytest.mark.parametrize("target", ["/api/hook", "/", "/media/x"])
@pytest.mark.parametrize("name", HEADERS)
def test_no_header_holds_the_gateway(loop: asyncio.Runner, name: str, target: str) -> None:
    """ASVS 5.0, 15.2.2."""
    application = gateway()

    def run(text: str) -> None:
        field = (name.encode(), text.encode())
        fields = [(b"host", b"a.example"), field] if name != "host" else [field]
        loop.run(ask(application, scope_of(target, headers=fields)))

    assert_linear(run)


@pytest.mark.parametrize("where", ["/{}", "/api/{}", "/api/hook?{}", "/media/{}", "/_stcore/upload_file/{}", "/?{}"])
def test_no_target_holds_the_gateway(loop: asyncio.Runner, where: str) -> None:
    """ASVS 5.0, 15.2.2."""
    application = gateway()

    def run(text: str) -> None:
        path, _, query = where.format(text).partition("?")
        loop.run(ask(application, scope_of("/", path=path, raw_path=path.encode(), query_string=query.encode())))

    assert_linear(run)


@pytest.mark.parametrize("name", ["x-forwarded-a", "forwarded", "x-forwarded-for", "cookie", "x-request-id", "a"])
def test_no_number_of_headers_holds_the_gateway(loop: asyncio.Runner, name: str) -> None:
    application = gateway()
    field = (name.encode(), b"a")

    def run(count: int) -> None:
        fields = [field, (b"b", b"")] * (count // 16)
        loop.run(ask(application, scope_of("/api/hook", *fields)))
        end_to_end(fields, HANDSHAKE_DROPPED)

    assert ratio(run) <= MOST


def written(formatter: logging.Formatter, text: str) -> None:
    record = logging.makeLogRecord({"name": "app", "msg": "%s", "args": (text,), "extra": text})
    RedactionFilter().filter(record)
    formatter.format(record)


def framing(text: str) -> None:
    with contextlib.suppress(RefusedError):
        Framing.of(scope_of("/", (b"content-length", text.encode())))


def client_path(text: str) -> None:
    with contextlib.suppress(ClientError):
        _check_path(f"/{text}")


PARSERS: dict[str, Callable[[str], object]] = {
    "redact": redact,
    "redact with a line end": lambda text: redact("x\n" + text + "\n"),
    "redact_query": redact_query,
    "log line": partial(written, TerminalLogFormatter()),
    "log line in JSON": partial(written, JsonLogFormatter()),
    "Forwarded": lambda text: forwarded_elements([text.encode()]),
    "origin": normalised,
    "Accept-Encoding": chosen,
    "If-None-Match": lambda text: matches(text, '"tag"'),
    "Range": lambda text: sliced(b"body", f"bytes={text}", True, []),
    "framing": framing,
    "worker cookie": lambda text: affinity.cookie_value([(b"cookie", text.encode())]),
    "upload path": lambda text: affinity.routing_hint("http", affinity.UPLOAD + text),
    "login cookies": lambda text: read_cookies({"headers": [(b"cookie", text.encode())]}),
    "return path": lambda text: return_path(f"/{text}", ""),
    "path of a page's call": client_path,
    "trusted headers": lambda text: sender(
        scope_of("/", *((name.encode(), text.encode()) for name in HEADERS if name.startswith("x-forw"))),
        b"a.example",
        Trust.of(enabled=True, allowed=["*"]),
    ),
}


LOGGED = 16_384
SEARCHED = frozenset({"redact", "redact with a line end", "log line", "log line in JSON"})
"""Of these no more than `LOGGED` characters are searched."""


@pytest.mark.parametrize("parser", PARSERS)
def test_no_parser_of_client_bytes_is_slower_than_linear(parser: str) -> None:
    """ASVS 5.0, 15.2.2."""
    assert_linear(PARSERS[parser], length=LOGGED if parser in SEARCHED else LENGTH)


# --- regular expressions and numbers ------------------------------------------------------------------------------

NEVER_FROM_CLIENTS = (
    "fluxlit/settings/",
    "fluxlit/streamlit/internals.py",
    "fluxlit/pages/",
    "fluxlit/frontend/files.py",
    "fluxlit/supervisor/",
    "fluxlit/testing/",
    "fluxlit/_internal/cpus.py",
    "fluxlit/_internal/procfs.py",
    "fluxlit/_internal/descriptors.py",
    "fluxlit/_internal/tested_versions.py",
    "fluxlit/server/admin/",
    "fluxlit/server/pid_file.py",
    "fluxlit/server/run_directory.py",
    "fluxlit/server/serve.py",
    "fluxlit/server/sockets/",
    "fluxlit/worker/garbage_collection.py",
    "fluxlit/worker/log_records.py",
    "fluxlit/worker/program.py",
    "fluxlit/observability/metrics/",
    "fluxlit_auth/command/",
    "fluxlit_sessions/testing/",
    "fluxlit_sessions/redis/",
    "fluxlit_sessions/options.py",
    "fluxlit_sessions/persisted_state.py",
)
"""Modules and packages that see settings, files and messages of the application or of its own processes only."""

REVIEWED = {
    "fluxlit._internal.system_page._COLOUR": ("match", "rgb(0"),
    "fluxlit.client._ABSOLUTE": ("match", "a+"),
    "fluxlit.client._FORBIDDEN": ("search", "a"),
    "fluxlit.client._SEPARATOR": ("search", "/"),
    "fluxlit.gateway.forwarding.ESCAPED": ("search", "\\\\a"),
    "fluxlit.gateway.forwarding.HOST": ("match", "a:1"),
    "fluxlit.gateway.forwarding.PORT": ("search", ":1"),
    "fluxlit.gateway.forwarding.PREFIX": ("match", "/a"),
    "fluxlit.gateway.static_assets.HASHED_PATH": ("match", "/static/a/.aaaaaaaa"),
    "fluxlit.gateway.static_assets.RANGE": ("match", "1-"),
    "fluxlit.observability.logs.formatters._CONTROL": ("search", "\x00"),
    "fluxlit.observability.logs.redaction._CREDENTIALS": ("search", "bearer a"),
    "fluxlit.observability.logs.redaction._HEADER": ("search", "-cookie"),
    "fluxlit.observability.logs.redaction._JWT": ("search", "eyJaaaaaaaa.-"),
    "fluxlit.observability.logs.redaction._LINE": ("match", "a"),
    "fluxlit.observability.logs.redaction._NAMED": ("search", "a \\\\"),
    "fluxlit.observability.logs.redaction._NO_LETTER": ("search", "1"),
    "fluxlit.observability.logs.redaction._PARAMETER": ("search", "&a=a"),
    "fluxlit.observability.logs.redaction._PARTS": ("search", "toke"),
    'fluxlit.observability.logs.redaction._QUOTED"': ("match", "\\\\a"),
    "fluxlit.observability.logs.redaction._QUOTED'": ("match", "\\\\a"),
    "fluxlit.observability.logs.redaction._SESSION": ("search", "session id: 0f8fad5b-"),
    "fluxlit.observability.logs.redaction._UPLOAD": ("search", "/_stcore/upload_file/"),
    "fluxlit.observability.logs.redaction._URL_PASSWORD": ("search", "://a:"),
    "fluxlit.observability.request_id._WELL_FORMED": ("match", "a"),
    "fluxlit.server.development_login._PATH": ("match", "/a"),
    "fluxlit.server.development_login._PROXIES": ("match", "x-forwarded-"),
    "fluxlit.server.http.request_response.NAME": ("match", "a"),
    "fluxlit_auth.load_balancer._ARN": ("match", "a"),
    "fluxlit_auth.load_balancer._KEY_ID": ("match", "a"),
    "fluxlit_auth.login.cookies._ATTEMPT": ("match", "a"),
    "fluxlit_auth.login.cookies._PAIR": ("search", ";__Host-fluxlit-a=a "),
    "fluxlit_auth.login.return_path._CONTROL": ("search", "a"),
    "fluxlit_auth.login.return_path._PATH": ("match", "/%41"),
    "fluxlit_auth.login.return_path._QUERY": ("match", "a"),
    "fluxlit_auth.login.stores._OPTIONS": ("search", "?a"),
    "fluxlit.sessions._OPTIONS": ("search", "?a"),
    "fluxlit_sessions.ids._HANDLE": ("match", "a"),
    "fluxlit_sessions.ids._ID": ("match", "a"),
}
"""Regular expressions that see bytes of clients: how each is applied, and what it repeats."""


@functools.cache
def sources() -> list[tuple[str, ast.Module]]:
    """The modules of packages that see bytes of clients."""
    return list(_parsed())


def _parsed() -> Iterator[tuple[str, ast.Module]]:
    for distribution in ("gateway", "auth", "sessions"):
        source = PACKAGES / f"fluxlit-{distribution}" / "src"
        for path in sorted(source.rglob("*.py")):
            name = path.relative_to(source).as_posix()
            if not name.startswith(NEVER_FROM_CLIENTS):
                yield name.removesuffix(".py").removesuffix("/__init__").replace("/", "."), ast.parse(path.read_text())


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Uses of the module `re`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr != "escape"
        ):
            yield node


@functools.cache
def expressions() -> dict[str, re.Pattern[Any]]:
    """The regular expressions of modules that see bytes of clients."""
    found: dict[str, re.Pattern[Any]] = {}
    for name, tree in sources():
        if not any(calls(tree)):
            continue
        for key, value in vars(importlib.import_module(name)).items():
            several = value if isinstance(value, dict) else {"": value}
            for inner, each in several.items():
                if isinstance(each, re.Pattern):
                    found[f"{name}.{key}{inner}"] = each
    return found


def test_regular_expressions_on_bytes_of_clients_are_compiled_at_the_top_of_a_module() -> None:
    """There they are found by the tests below."""
    inside = (
        (name, node)
        for name, tree in sources()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )
    assert [f"{name}: {ast.unparse(call)}" for name, node in inside for call in calls(node)] == []


def test_every_regular_expression_on_bytes_of_clients_is_reviewed() -> None:
    assert sorted(expressions()) == sorted(REVIEWED)


@pytest.mark.parametrize("name", REVIEWED)
def test_every_regular_expression_on_bytes_of_clients_is_linear(name: str) -> None:
    pattern, (how, unit) = expressions()[name], REVIEWED[name]

    def run(text: str) -> None:
        for ending in ("", "\n", "\x00"):
            data: Any = (text + ending).encode() if isinstance(pattern.pattern, bytes) else text + ending
            if how == "match":
                pattern.match(data)
            else:
                for _ in pattern.finditer(data):
                    pass

    assert_linear(run, unit, length=LOGGED if "logs" in name else LENGTH)


NUMBERS = {
    "fluxlit._internal.container_memory: int((group / 'memory.current').read_text(encoding='ascii'))",  # of the kernel
    "fluxlit._internal.container_memory: int(details[at + 1])",  # of the kernel
    "fluxlit._internal.container_memory: int(limit)",  # of the kernel
    "fluxlit.gateway.forwarding: int(port[1])",  # at most 5 digits
    "fluxlit.gateway.static_assets: int(digits or '0')",  # at most 18 digits
    "fluxlit.observability.logs.formatters: int(record.msecs)",
    "fluxlit.proxy.message_framing: int(value)",  # at most 19 digits
    "fluxlit.server.http.protocol: int(info[1])",  # port of a socket
    "fluxlit.server.http.request_response: int(time.time())",
    "fluxlit.server.http.request_response: int(value)",  # of the application
    "fluxlit.server.websocket.frame_scanner: int(code)",  # one of ours
    "fluxlit.streamlit.message_limits: int(time.monotonic() // WINDOW_S)",
    "fluxlit.worker.base: int(self.settings.uvicorn_graceful_shutdown_timeout_s)",
    "fluxlit.worker.base: int(time.monotonic() - self._ending_since)",
    "fluxlit.worker.upload_limits: int(get_option('server.maxUploadSize'))",
    "fluxlit.worker.upload_limits: int(request_header(scope, LENGTH) or b'0')",
    "fluxlit.server.websocket.protocol: int(code)",  # of the application, or parsed by websockets
    "fluxlit.worker.resume.tab_reload: int(value)",  # of Streamlit
}
"""Conversions to numbers. `int` raises ValueError for more than 4,300 digits, and takes superscripts for none."""


def test_every_number_of_a_client_is_reviewed() -> None:
    found = {
        f"{name}: {ast.unparse(node)}"
        for name, tree in sources()
        if name.startswith("fluxlit.")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("int", "float")
    }
    assert found == NUMBERS
