"""Traces by OpenTelemetry, with the W3C Trace Context.

The API of OpenTelemetry alone does nothing: an SDK is set up by the application, or by `opentelemetry-instrument`. This
is the one module that imports it, and it is imported only if `enable_tracing` is set.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from fluxlit._internal.asgi import Application, Header, Message, Receive, Scope, Send, request_header
from fluxlit.errors import FluxLitError
from fluxlit.settings.variables import excluded_urls

try:
    from opentelemetry import context, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    raise FluxLitError(
        "enable_tracing is set, but OpenTelemetry is not installed. Install it: pip install "
        '"fluxlit-gateway[telemetry]". What collects the spans, an SDK with an exporter, is up to you.'
    ) from None

SCOPE = "fluxlit"

# https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/
CONTEXT = frozenset({b"traceparent", b"tracestate"})
CARRIED = CONTEXT | {b"baggage"}

_w3c = TraceContextTextMapPropagator()


class TracingMiddleware:
    """ASGI middleware: a span for each request, its context in the headers.

    A WebSocket's span ends with its handshake: one that lasts for hours would show nothing.

    Args:
        application: what is traced.
        name: how its spans are called, after the method.
        trusts: whether the context that a peer sends is continued, by the peer's address (empty for a UNIX socket). Any
            other context is removed: clients could write into traces with it.
        kind: SERVER for what comes in, CLIENT for what goes on to another process.
        route: gives the route of the request, once that is known.

    Raises:
        FluxLitError: ``OTEL_PYTHON_EXCLUDED_URLS`` is not a list of regular expressions.
    """

    def __init__(
        self,
        application: Application,
        name: str,
        *,
        trusts: Callable[[str], bool] = lambda _: True,
        kind: SpanKind = SpanKind.SERVER,
        route: Callable[[Scope], str] = lambda _: "",
    ) -> None:
        self._application = application
        self._name = name
        self._trusts = trusts
        self._kind = kind
        self._route = route
        self._tracer = trace.get_tracer(SCOPE)
        self._excluded = excluded_urls(os.environ)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        span = trace.INVALID_SPAN if self._leaves_out(scope) else self._start(scope)
        within = trace.set_span_in_context(span)
        dropped = CONTEXT if self._trusted(scope) else CARRIED
        kept = [field for field in scope["headers"] if field[0] not in dropped]
        scope = {**scope, "headers": [*kept, *fields_of(within)]}
        reporting = Reporting(send, span, lambda: self._route(scope))
        token = context.attach(within)
        try:
            await self._application(scope, receive, reporting)
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            context.detach(token)
            reporting.end()

    def _start(self, scope: Scope) -> Span:
        title = f"{scope.get('method', 'WEBSOCKET')} {self._name}"
        return self._tracer.start_span(
            title, context=self._parent(scope), kind=self._kind, attributes=attributes_of(scope)
        )

    def _leaves_out(self, scope: Scope) -> bool:
        host = (request_header(scope, b"host") or b"").decode("latin-1")
        url = f"{scope.get('scheme', 'http')}://{host}{scope['path']}"
        return any(pattern.search(url) for pattern in self._excluded)

    def _parent(self, scope: Scope) -> context.Context | None:
        if self._kind is SpanKind.CLIENT:
            return None  # The span that is current.
        if not self._trusted(scope):
            return context.Context()
        return _w3c.extract(sent_context(scope["headers"]), context=context.Context())

    def _trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        return self._kind is SpanKind.CLIENT or self._trusts(client[0] if client else "")


HOPS: dict[str, Callable[[Application, Callable[[str], bool]], TracingMiddleware]] = {
    "gateway": lambda application, trusts: TracingMiddleware(application, "gateway", trusts=trusts, route=route_of),
    "to the UI": lambda application, _: TracingMiddleware(application, "to the UI", kind=SpanKind.CLIENT),
    "to the API": lambda application, _: TracingMiddleware(application, "to the API", kind=SpanKind.CLIENT),
    "api": lambda application, _: TracingMiddleware(application, "api"),
    "call of a page": lambda application, _: TracingMiddleware(application, "api"),
}
"""What is traced, by its name: an application, and which peers are trusted, to the traced application."""


def route_of(scope: Scope) -> str:
    """Which part of the gateway has served a request."""
    seen = scope.get("fluxlit.request_record")
    return str(seen.route) if seen is not None else ""


class Reporting:
    """A `send` that reports the response to a span."""

    __slots__ = ("_route", "_send", "_span")

    def __init__(self, send: Send, span: Span, route: Callable[[], str]) -> None:
        self._send = send
        self._span = span
        self._route = route

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        kind = message["type"]
        if kind.endswith(".response.start"):
            self._answered(message["status"])
        elif kind == "websocket.accept":
            self._answered(101)
            self.end()
        await self._send(message)

    def end(self) -> None:
        """End the span, unless it has ended."""
        if self._span.is_recording():
            if route := self._route():
                self._span.set_attribute("fluxlit.route", route)
            self._span.end()

    def _answered(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))


def attributes_of(scope: Scope) -> dict[str, str]:
    """Attributes of a request by OpenTelemetry's semantic conventions.

    The query stays out: that is where tokens are. So does the client's address, which belongs to a person.
    """
    seen = scope.get("fluxlit.request_record")
    return {
        **({"fluxlit.request_id": seen.request_id} if seen is not None else {}),
        "http.request.method": scope.get("method", "GET"),
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"],
        "network.protocol.version": scope.get("http_version", "1.1"),
    }


def sent_context(headers: Iterable[Header]) -> dict[str, str]:
    """The trace context of a request; a repeated one is none (W3C, 3.2)."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name == b"traceparent" and "traceparent" in found:
            return {}
        if name in (b"traceparent", b"tracestate"):
            text = value.decode("latin-1")
            key = name.decode()
            found[key] = f"{found[key]},{text}" if key in found else text
    return found


def fields_of(within: context.Context | None = None) -> list[Header]:
    """The fields by which the next hop continues a trace; none outside of one."""
    return [(name.encode(), value.encode("latin-1")) for name, value in call_headers(within).items()]


def call_headers(within: context.Context | None = None) -> dict[str, str]:
    """The same as text, by default for what is current in this thread or task."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier, context=within)
    return carrier


@contextlib.contextmanager
def run_span() -> Iterator[None]:
    """A span around a run of a page, which its calls of the API continue."""
    with trace.get_tracer(SCOPE).start_as_current_span("run page", context=context.Context()):
        yield
