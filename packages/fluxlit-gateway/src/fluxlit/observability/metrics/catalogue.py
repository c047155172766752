"""Catalogue of metrics: name, kind, labels and meaning.

The reference in the documentation is generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a metric's value does."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Family:
    """One metric.

    Attributes:
        name: its name.
        kind: what its value does.
        help: its meaning in one sentence.
        labels: names of its labels.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name, Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name, Kind.GAUGE, text, labels)


def _histogram(name: str, text: str, *labels: str) -> Family:
    return Family(name, Kind.HISTOGRAM, text, labels)


CATALOGUE = (
    _gauge("fluxlit_build_info", "Always 1; its labels are the versions.", "version", "python"),
    _gauge("fluxlit_ready", "1 while the readiness probe reports ready, else 0."),
    _gauge("fluxlit_draining", "1 from the begin of a shutdown on, else 0."),
    _counter("fluxlit_http_requests_total", "HTTP requests that are over, by route and status.", "route", "code"),
    _histogram(
        "fluxlit_http_request_duration_seconds", "Time from a request's head to the end of its response.", "route"
    ),
    _counter("fluxlit_http_response_bytes_total", "Bytes of the bodies of responses, before TLS.", "route"),
    _gauge("fluxlit_http_requests_active", "HTTP requests that are under way."),
    _counter(
        "fluxlit_websocket_handshakes_total",
        "WebSocket handshakes that are over, by route and status; 101 for those that succeeded.",
        "route",
        "code",
    ),
    _gauge("fluxlit_websockets_open", "WebSockets that are open.", "route"),
    _counter("fluxlit_websocket_sent_bytes_total", "Bytes of the messages sent to browsers.", "route"),
    _gauge(
        "fluxlit_sessions",
        "Streamlit sessions with a browser now. The sum over the workers is what an autoscaler needs.",
        "worker",
    ),
    _histogram(
        "fluxlit_script_run_duration_seconds",
        "Time of the runs of pages, from begin to end; their number is the number of reruns.",
        "worker",
    ),
    _gauge("fluxlit_worker_ready", "1 while the worker answers its health probe, else 0.", "worker"),
    _counter("fluxlit_worker_restarts_total", "How often the worker was started again after it had ended.", "worker"),
    _gauge("fluxlit_worker_resident_memory_bytes", "Memory of the worker's process.", "worker"),
    _counter("fluxlit_worker_cpu_seconds_total", "Processor time of the worker's process.", "worker"),
    _histogram(
        "fluxlit_upstream_response_seconds",
        "Time from a connection to the UI to the head of its response, without WebSockets.",
        "worker",
    ),
    _gauge("fluxlit_upstream_requests_active", "HTTP requests that the UI works on.", "worker"),
    _gauge(
        "fluxlit_upstream_requests_waiting",
        "HTTP requests that wait for their turn, because gateway_max_concurrent_upstream_http are under way.",
        "worker",
    ),
    _counter("fluxlit_upstream_errors_total", "Requests that the proxy could not relay, by status.", "worker", "code"),
    _histogram(
        "fluxlit_event_loop_delay_seconds",
        "By how much the event loop of a process runs late, looked at twice a second.",
        "process",
    ),
    _counter(
        "fluxlit_event_loop_blocked_total",
        "How often the event loop of a process was blocked for more than a second; the log has route and stack.",
        "process",
    ),
    _counter(
        "fluxlit_session_store_operations_total",
        "Operations on the session store by outcome: ok, missing, conflict, full, unavailable or error.",
        "store",
        "operation",
        "outcome",
    ),
    _histogram("fluxlit_session_store_operation_duration_seconds", "Time of operations on the session store.", "store"),
    _counter("process_cpu_seconds_total", "Processor time of the gateway's process."),
    _gauge("process_resident_memory_bytes", "Memory of the gateway's process."),
    _gauge("process_open_fds", "File descriptors that the gateway's process has open."),
    _gauge("process_max_fds", "File descriptors that it may have open."),
    _gauge("process_start_time_seconds", "When the server started, in seconds since the epoch."),
)
"""All metrics, in the order in which they are shown."""
