"""Traces go from hop to hop, and strangers do not write into them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.errors import FluxLitError
from fluxlit.observability import tracing
from fluxlit.observability.middleware import ObservabilityMiddleware
from fluxlit.testing import run_server
from tests.gateway.gateway.asking import Recorder, ask, scope_of
from tests.support.processes import clean_environ
from tests.support.waiting import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = (b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())
STATE = (b"tracestate", b"congo=t61rcWkgMzE")
BAGGAGE = (b"baggage", b"user=ada")


class Spans:
    """All spans that have ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    @property
    def only(self) -> ReadableSpan:
        (span,) = self.all()
        return span


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    found = Spans()
    monkeypatch.setattr("opentelemetry.trace.get_tracer", found.provider.get_tracer)
    yield found
    found.provider.shutdown()


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}" if span.context is not None else ""


def passed_on(inner: Recorder) -> list[str]:
    (value,) = inner.field(b"traceparent")
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[0-9a-f]", value.decode())
    assert found is not None
    return list(found.groups())


@pytest.mark.anyio
async def test_the_context_of_a_trusted_peer_is_continued(spans: Spans) -> None:
    inner = Recorder()
    traced = tracing.TracingMiddleware(inner, "gateway", trusts=lambda peer: peer == "203.0.113.9")
    await ask(traced, scope_of("/a?token=secret", PARENT, STATE, BAGGAGE))
    span = spans.only
    assert (trace_of(span), span.name, span.kind) == (TRACE, "GET gateway", SpanKind.SERVER)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert span.context is not None
    assert passed_on(inner) == [TRACE, f"{span.context.span_id:016x}"], "what follows is a child of this span"
    assert inner.field(b"tracestate") == [STATE[1]]
    assert inner.field(b"baggage") == [BAGGAGE[1]]
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/a",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }
    assert "secret" not in span.to_json()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fields",
    [(PARENT, STATE, BAGGAGE), (PARENT, PARENT), ((b"traceparent", b"00-0-0-01"),), ((b"traceparent", b"\xff\xfe"),)],
)
async def test_an_attack_a_strangers_context_ends_at_the_gateway(fields: tuple[Any, ...], spans: Spans) -> None:
    """It could be a stranger's trace, or one that demands sampling."""
    inner = Recorder()
    await ask(tracing.TracingMiddleware(inner, "gateway", trusts=lambda _: False), scope_of("/", *fields))
    assert spans.only.parent is None
    assert trace_of(spans.only) != TRACE
    assert passed_on(inner)[0] == trace_of(spans.only)
    assert inner.field(b"tracestate") == inner.field(b"baggage") == []


@pytest.mark.anyio
@pytest.mark.parametrize("fields", [(PARENT, PARENT), ((b"traceparent", b"00-0-0-01"),), (STATE,)])
async def test_a_context_that_is_none_begins_a_trace(fields: tuple[Any, ...], spans: Spans) -> None:
    inner = Recorder()
    await ask(tracing.TracingMiddleware(inner, "gateway"), scope_of("/", *fields))
    assert spans.only.parent is None
    assert len(inner.field(b"traceparent")) == 1


@pytest.mark.anyio
async def test_a_span_is_found_by_the_id_in_the_logs(spans: Spans) -> None:
    traced = tracing.TracingMiddleware(Recorder(), "gateway")
    await ask(ObservabilityMiddleware(traced), scope_of("/", (b"x-request-id", b"abc")))
    assert dict(spans.only.attributes or {})["fluxlit.request_id"] == "abc"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("patterns", "path", "traced"),
    [
        ("healthz,readyz", "/healthz", False),
        ("/healthz$, (?i)/API/readyz$", "/api/readyz?verbose", False),
        ("https://,^http://[^/]+/h", "/healthz", False),
        ("healthz", "/a?healthz", True),
        (" , ", "/healthz", True),
        ("", "/healthz", True),
    ],
)
async def test_urls_that_opentelemetry_excludes_have_no_span(
    patterns: str, path: str, traced: bool, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", patterns)
    inner = Recorder()
    to_ui = tracing.TracingMiddleware(inner, "to the UI", kind=SpanKind.CLIENT)
    await ask(tracing.TracingMiddleware(to_ui, "gateway", trusts=lambda _: False), scope_of(path, PARENT, BAGGAGE))
    assert len(spans.all()) == 2 * traced
    assert len(inner.field(b"traceparent")) == traced
    assert PARENT[1] not in inner.field(b"traceparent")
    assert inner.field(b"baggage") == []


def test_a_wrong_list_of_excluded_urls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "healthz,(")
    with pytest.raises(FluxLitError, match=r"OTEL_PYTHON_EXCLUDED_URLS: '\(' is not a regular expression: missing \)"):
        tracing.TracingMiddleware(Recorder(), "gateway")


@pytest.mark.anyio
async def test_failures_are_marked(spans: Spans) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/crash":
            raise RuntimeError("secret")
        await send({"type": "http.response.start", "status": int(scope["path"][1:]), "headers": []})
        await send({"type": "http.response.body"})

    traced = tracing.TracingMiddleware(failing, "gateway")
    for path in ("/503", "/404"):
        await ask(traced, scope_of(path))
    with pytest.raises(RuntimeError):
        await ask(traced, scope_of("/crash"))
    assert [span.status.status_code for span in spans.all()] == [StatusCode.ERROR, StatusCode.UNSET, StatusCode.ERROR]
    assert not any("secret" in span.to_json() for span in spans.all())


@pytest.mark.anyio
async def test_the_span_of_a_websocket_ends_with_its_handshake(spans: Spans) -> None:
    async def talking(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        (span,) = spans.all()
        assert (span.name, dict(span.attributes or {})["http.response.status_code"]) == ("WEBSOCKET gateway", 101)

    await ask(tracing.TracingMiddleware(talking, "gateway"), scope_of("/", kind="websocket"))
    assert len(spans.all()) == 1


APP = """
import json
import os

from fastapi import Request
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from fluxlit import FluxLit


class ToFile(SpanExporter):
    def export(self, spans):
        with open("spans.jsonl", "a") as file:
            for span in spans:
                parent = f"{span.parent.span_id:016x}" if span.parent else ""
                ids = [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent]
                file.write(json.dumps([os.getpid(), span.name, *ids, span.attributes.get("fluxlit.route", "")]) + "\\n")
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ToFile()))
trace.set_tracer_provider(provider)
app = FluxLit()


@app.api.get("/context")
def context(request: Request) -> str:
    return request.headers["traceparent"]


@app.page("/", title="Home")
def home(st, client):
    st.write(client.get("/context").json())
"""


@pytest.mark.parametrize("api_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_one_trace_spans_processes(tmp_path: Path, api_workers: int) -> None:
    """Edge to gateway to API or UI.

    And a run of a page, in its worker, to the API that it calls.
    """
    (tmp_path / "app.py").write_text(APP)

    def found() -> list[Any]:
        file = tmp_path / "spans.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def named(name: str) -> list[Any]:
        return [span for span in found() if span[1] == name]

    settings: dict[str, Any] = {"enable_tracing": True, "trust_proxy": True, "api_workers": api_workers}
    with run_server("app:app", tmp_path, command="run", **settings) as server:
        request = urllib.request.Request(f"{server.api_url}/context", headers={"traceparent": PARENT[1].decode()})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            assert answer.read().decode().startswith(f'"00-{TRACE}-')
        with opener.open(urllib.request.Request(f"{server.url}/", headers=dict(request.headers)), timeout=60):
            pass
        until(lambda: [span for span in named("GET gateway") if span[5] == "ui"], "the span of the page")
        edge = next(span for span in named("GET gateway") if span[5] == "ui")
        hop = next(span for span in named("GET to the UI") if span[2] == TRACE)
        assert edge[2:5:2] == [TRACE, "00f067aa0ba902b7"]
        assert hop[4] == edge[3]

        address = f"{server.url.replace('http:', 'ws:')}/_stcore/stream"
        with connect(address, subprotocols=[Subprotocol("streamlit")], origin=Origin(server.url), proxy=None) as page:
            message = BackMsg()
            message.rerun_script.query_string = ""
            page.send(message.SerializeToString())
            until(lambda: named("run page"), "the run of the page")
        (run,) = named("run page")
        (call,) = (span for span in named("GET api") if span[4] == run[3])
        assert run[2] == call[2]
        assert run[0] != call[0], "they are of two processes"
        if api_workers:
            (relayed,) = (span for span in named("GET to the API") if span[4] == call[3])
            (served,) = (span for span in named("GET api") if span[4] == relayed[3])
            assert served[2] == run[2]
            assert len({run[0], relayed[0], served[0]}) == 3


def test_without_the_setting_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    program = (
        "import sys; from fluxlit import FluxLit; from fluxlit.server.runtime import Runtime; Runtime(FluxLit());"
        "print('fluxlit.observability.tracing' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_without_the_library_the_start_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; from fluxlit import FluxLit; from fluxlit.errors import FluxLitError as Error\n"
        "import fluxlit.server.runtime as r\n"
        "sys.modules['opentelemetry'] = None\n"  # which newer versions of FastAPI bring along
        "try: r.Runtime(FluxLit(enable_tracing=True))\n"
        "except Error as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("enable_tracing is set, but OpenTelemetry is not installed.")
    assert 'pip install "fluxlit-gateway[telemetry]"' in done.stdout
