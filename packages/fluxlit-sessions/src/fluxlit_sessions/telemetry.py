"""Spans and a histogram of store operations, by OpenTelemetry.

The API alone records nothing: the application sets up an SDK. Names are those of OpenTelemetry's semantic conventions
for database clients; no id, key or value is among the attributes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fluxlit_sessions.observability import Observer, OperationEvent

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram
    from opentelemetry.trace import Tracer

SCOPE = "fluxlit_sessions"
DURATION = "db.client.operation.duration"
FAILURES = frozenset({"full", "unavailable", "error"})


@cache
def default_observer() -> Observer | None:
    """Returns a `Telemetry`, `None` if OpenTelemetry is not installed."""
    try:
        from opentelemetry import metrics, trace  # noqa: PLC0415 - it is optional
    except ImportError:
        return None
    duration = metrics.get_meter(SCOPE).create_histogram(DURATION, unit="s", description="Time of a store operation.")
    return Telemetry(trace.get_tracer(SCOPE), duration)


class Telemetry:
    """Records a span, within the caller's, and the time of each operation.

    Args:
        tracer: makes the spans.
        duration: histogram of seconds.
    """

    def __init__(self, tracer: Tracer, duration: Histogram) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415 - it is optional

        self._tracer, self._duration = tracer, duration
        self._client, self._failed = SpanKind.CLIENT, Status(StatusCode.ERROR)

    def __call__(self, event: OperationEvent, /) -> None:
        """Reports one operation."""
        attributes: dict[str, Any] = {"db.system.name": event.store, "db.operation.name": event.operation}
        if event.outcome in FAILURES:
            attributes["error.type"] = event.outcome
        self._duration.record(event.seconds, attributes)
        span = self._tracer.start_span(
            f"{event.operation} {event.store}",
            kind=self._client,
            start_time=event.started_ns,
            attributes={**attributes, "fluxlit.session.outcome": event.outcome},
        )
        if event.outcome in FAILURES:
            span.set_status(self._failed)
        span.end(event.started_ns + int(event.seconds * 1e9))
