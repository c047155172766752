"""What OpenTelemetry gets to see of a store, by its own SDK."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fluxlit_sessions import MemorySessionStore, OperationEvent
from fluxlit_sessions.telemetry import DURATION, Telemetry

WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from fluxlit_sessions import open_store
store = open_store("memory://")
assert store.read(store.create({"a": 1}).id).data == {"a": 1}
"""


class Seen:
    """An SDK that keeps what it gets."""

    def __init__(self) -> None:
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.tracer = tracers.get_tracer("tests")
        meter = MeterProvider([self._metrics]).get_meter("tests")
        self.telemetry = Telemetry(self.tracer, meter.create_histogram(DURATION, unit="s"))

    def spans(self) -> list[Any]:
        return list(self._spans.get_finished_spans())

    def counts(self) -> dict[tuple[Any, ...], int]:
        data = self._metrics.get_metrics_data()
        assert data is not None
        points: list[Any] = list(data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points)
        return {tuple(point.attributes.values()): point.count for point in points}


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_each_operation_is_a_span_within_the_callers_and_says_nothing_of_the_content(seen: Seen) -> None:
    store = MemorySessionStore(observer=seen.telemetry)
    with seen.tracer.start_as_current_span("request"):
        session = store.create({"secret": "swordfish"}, subject="lovelace")
        store.read(session.id)
        store.read("forged")
    create, read, forged, request = seen.spans()
    assert [span.name for span in (create, read, forged)] == ["create memory", "read memory", "read memory"]
    assert create.parent.span_id == request.context.span_id
    assert request.start_time <= create.start_time <= create.end_time <= request.end_time
    assert forged.attributes["fluxlit.session.outcome"] == "missing"
    for span in (create, read):
        assert not any(word in span.to_json() for word in (session.id, session.handle, "swordfish", "lovelace"))


def test_times_are_counted_by_store_and_operation(seen: Seen) -> None:
    store = MemorySessionStore(observer=seen.telemetry)
    for _ in range(3):
        store.create()
    assert seen.counts() == {("memory", "create"): 3}


def test_a_failure_is_one(seen: Seen) -> None:
    seen.telemetry(OperationEvent("redis", "save", "unavailable", 1_000, 0.5))
    (span,) = seen.spans()
    assert (span.status.is_ok, span.end_time - span.start_time) == (False, 500_000_000)
    assert seen.counts() == {("redis", "save", "unavailable"): 1}


def test_without_the_api_a_store_works_and_reports_nothing() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=300)
