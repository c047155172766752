"""What the gateway has answered: plain counters, as every request pays for them."""

from __future__ import annotations

from fluxlit.observability.metrics import Histogram, Readings


class RouteTraffic:
    """What went over one route.

    Attributes:
        requests: HTTP requests that are over, by status.
        durations: how long they took.
        sent: bytes of their responses' bodies.
        handshakes: WebSocket handshakes by status.
        open: WebSockets that are open.
        told: bytes of the messages to browsers.
    """

    __slots__ = ("durations", "handshakes", "open", "requests", "sent", "told")

    def __init__(self) -> None:
        self.requests: dict[int, int] = {}
        self.durations = Histogram()
        self.sent = 0
        self.handshakes: dict[int, int] = {}
        self.open = 0
        self.told = 0


class Traffic(dict[str, RouteTraffic]):
    """What went over each route, by its name.

    Attributes:
        active: HTTP requests that are under way.
    """

    active = 0

    def __missing__(self, route: str) -> RouteTraffic:
        made = self[route] = RouteTraffic()
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

    def closed(self, route: str, status: int, told: int) -> None:
        """Count the end of a WebSocket, or the refusal of one."""
        on = self[route]
        if status == 101:
            on.open -= 1
            on.told += told
        else:
            on.handshakes[status] = on.handshakes.get(status, 0) + 1

    def read(self) -> Readings:
        """The numbers under the names of the catalogue."""
        readings = Readings()
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
                readings.add("fluxlit_websocket_sent_bytes_total", on.told, name)
        return readings


def code(status: int) -> str:
    """A status as a label: an application may answer numbers that are none, and they must not make series."""
    return str(status) if 100 <= status <= 599 else "other"
