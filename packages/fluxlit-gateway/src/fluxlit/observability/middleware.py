"""The outermost middleware: request ids, counters and the access log."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit.observability.access_log import CLIENT_LEFT, AccessLog
from fluxlit.observability.current_request import REQUEST_ID
from fluxlit.observability.request_counters import RequestCounters
from fluxlit.observability.request_id import HEADER, is_request_id, new_request_id
from fluxlit.observability.request_record import ANSWER, REQUEST_RECORD, Defaults, RequestRecord
from fluxlit.observability.response_recorder import Answer, RecordingSend

NO_DEFAULTS = Defaults.of(())


class ObservabilityMiddleware:
    """An ASGI application around another.

    The id goes into a header of the request, where any proxy would have put it for API and Streamlit, and into a header
    of the response. An id of the client's own is kept if it is well-formed.

    Args:
        application: what is observed.
        log: the access log; falsy for none.
        headers: gives the headers that a response gets unless it has them; by default none.
        traffic: counters that are shared with another way in; by default its own.

    Attributes:
        traffic: the counters.
    """

    def __init__(
        self,
        application: Application,
        *,
        log: AccessLog | None = None,
        headers: Callable[[Scope], Defaults] | None = None,
        traffic: RequestCounters | None = None,
    ) -> None:
        self._application = application
        self._headers = headers or (lambda _: NO_DEFAULTS)
        self._log = log or None
        self.traffic = RequestCounters() if traffic is None else traffic

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one HTTP request or WebSocket."""
        headers, request_id = identified(scope["headers"])
        seen = RequestRecord(request_id, self._headers(scope))
        REQUEST_ID.set(seen.request_id)  # Servers run each request in a context of its own.
        answer: Answer | None = scope.get(ANSWER)
        scope = {**scope, "headers": headers, REQUEST_RECORD: seen}
        if self._log is not None:
            seen.finish = partial(self._finish_and_log, scope)
        else:
            seen.finish = self._finish if scope["type"] == "http" else self._finish_websocket
        if scope["type"] == "http":
            self.traffic.active += 1
        if answer is None:
            return self._watch(scope, receive, send, seen)
        answer.seen = seen
        return self._application(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send, seen: RequestRecord) -> None:
        try:
            await self._application(scope, receive, RecordingSend(send, seen, self.traffic))
        except Exception:
            seen.status = seen.status or 500  # What the server is about to answer.
            raise
        finally:
            seen.over()

    def _finish(self, seen: RequestRecord) -> None:
        traffic = self.traffic
        traffic.active -= 1
        traffic.answered(seen.route, seen.status or CLIENT_LEFT, seen.sent, time.perf_counter() - seen.started)

    def _finish_websocket(self, seen: RequestRecord) -> None:
        self.traffic.closed(seen.route, seen.status or CLIENT_LEFT, seen.sent)

    def _finish_and_log(self, scope: Scope, seen: RequestRecord) -> None:
        (self._finish if scope["type"] == "http" else self._finish_websocket)(seen)
        if self._log is not None:
            seconds = time.perf_counter() - seen.started
            self._log.write(scope, seen, status=seen.status or CLIENT_LEFT, seconds=seconds)


def identified(headers: list[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers of a request with exactly one X-Request-ID, and its value.

    A client that sends two ids, or one that is not well-formed, gets a new one.
    """
    sent = [value for name, value in headers if name == HEADER]
    if len(sent) == 1 and is_request_id(sent[0]):
        return headers, sent[0]
    request_id = new_request_id()
    kept = [field for field in headers if field[0] != HEADER] if sent else headers
    return [*kept, (HEADER, request_id)], request_id
