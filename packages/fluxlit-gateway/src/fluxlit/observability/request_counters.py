"""Counters of requests and WebSockets by route."""

from __future__ import annotations

from fluxlit.observability.metrics import Histogram, Samples


class RouteCounters:
    """What went over one route.

    Attributes:
        requests: HTTP requests that are over, by status.
        durations: how long they took.
        sent: bytes of their responses' bodies.
        handshakes: WebSocket handshakes by status.
        open: WebSockets that are open.
        sent_messages: bytes of the messages to browsers.
    """

    __slots__ = ("durations", "handshakes", "open", "requests", "sent", "sent_messages")

    def __init__(self) -> None:
        self.requests: dict[int, int] = {}
        self.durations = Histogram()
        self.sent = 0
        self.handshakes: dict[int, int] = {}
        self.open = 0
        self.sent_messages = 0


class RequestCounters(dict[str, RouteCounters]):
    """What went over each route, by its name.

    Attributes:
        active: HTTP requests that are under way.
    """

    active = 0

    def __missing__(self, route: str) -> RouteCounters:
        made = self[route] = RouteCounters()
        return made

    def answered(self, route: str, status: int, sent: int, seconds: float) -> None:
        """Count an HTTP request that is over."""
        on = self[route]
        on.requests[status] = on.requests.get(status, 0) + 1
        on.durations.add(seconds)
        on.sent += sent

    def opened(self, route: str) -> None:
        """Count a WebSocket that was accepted."""
        on = self[route]
        on.open += 1
        on.handshakes[101] = on.handshakes.get(101, 0) + 1

    def closed(self, route: str, status: int, sent: int) -> None:
        """Count the end of a WebSocket, or the refusal of one."""
        on = self[route]
        if status == 101:
            on.open -= 1
            on.sent_messages += sent
        else:
            on.handshakes[status] = on.handshakes.get(status, 0) + 1

    def read(self) -> Samples:
        """The numbers under the names of the catalogue."""
        readings = Samples()
        readings.add("fluxlit_http_requests_active", self.active)
        for route, on in self.items():
            name = route or "none"
            for status, count in on.requests.items():
                readings.add("fluxlit_http_requests_total", count, name, code(status))
            for status, count in on.handshakes.items():
                readings.add("fluxlit_websocket_handshakes_total", count, name, code(status))
            if on.requests:
                readings.add("fluxlit_http_request_duration_seconds", on.durations, name)
                readings.add("fluxlit_http_response_bytes_total", on.sent, name)
            if on.handshakes:
                readings.add("fluxlit_websockets_open", on.open, name)
                readings.add("fluxlit_websocket_sent_bytes_total", on.sent_messages, name)
        return readings


def code(status: int) -> str:
    """A status as a label; invalid numbers do not make series of their own."""
    return str(status) if 100 <= status <= 599 else "other"
