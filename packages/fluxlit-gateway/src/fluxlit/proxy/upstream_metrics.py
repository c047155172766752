"""Counters of one upstream; a fresh worker continues with them."""

from __future__ import annotations

from fluxlit.observability.metrics import Histogram, Samples


class UpstreamMetrics:
    """Counters of one upstream.

    Attributes:
        responses: time from a connection to the head of the response.
        waiting: requests that wait for their turn.
        failures: requests that could not be relayed, by the status of the response.
    """

    __slots__ = ("failures", "responses", "waiting")

    def __init__(self) -> None:
        self.responses = Histogram()
        self.waiting = 0
        self.failures: dict[int, int] = {}

    def failed(self, status: int) -> None:
        """Count a request that could not be relayed."""
        self.failures[status] = self.failures.get(status, 0) + 1

    def read(self, worker: str) -> Samples:
        """The numbers under the names of the catalogue."""
        readings = Samples()
        readings.add("fluxlit_upstream_response_seconds", self.responses, worker)
        readings.add("fluxlit_upstream_requests_waiting", self.waiting, worker)
        for status, count in self.failures.items():
            readings.add("fluxlit_upstream_errors_total", count, worker, str(status))
        return readings
