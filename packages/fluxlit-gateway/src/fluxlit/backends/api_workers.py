"""The API in supervised worker processes behind the proxy.

A request goes to the worker with the fewest requests and WebSockets under way. What HTTP does not carry of it travels
in a header; see `fluxlit.worker.scope_header`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.responses import NO_STORE, RETRY_AFTER_S, answer_problem
from fluxlit.backends.affinity import WorkerState
from fluxlit.backends.backend import STOP_S, UiFacts, proxy_limits
from fluxlit.backends.worker import Worker, WorkerKind
from fluxlit.backends.worker_pool import WorkerPool
from fluxlit.proxy import ProxyLimits
from fluxlit.settings import Resolved, Settings
from fluxlit.worker.command import API_WORKER
from fluxlit.worker.scope_header import HEALTH, with_scope_header

UNAVAILABLE = "The API is starting. Try again soon."


class ApiWorkers(WorkerPool):
    """The API in worker processes.

    Args:
        facts: what the application knows.
        resolved: the effective settings.
    """

    def __init__(self, facts: UiFacts, resolved: Resolved) -> None:
        super().__init__(api_kind(resolved.settings), resolved.settings.api_workers, facts, resolved)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Relay to the least loaded worker; 503 while there is none."""
        worker = self._choose()
        if worker is None:
            return answer_unavailable(scope, send)
        return worker(with_scope_header(scope), receive, send)

    def _choose(self) -> Worker | None:
        if len(self.pool) == 1:
            return self.pool[0] if self.pool[0].ready else None
        # One that has missed its last probe is busy or hangs.
        taking = [worker for worker in self.pool if worker.state <= WorkerState.SILENT]
        return min(taking, key=lambda worker: (worker.state, worker.busy), default=None)

    def end_streams(self) -> None:
        """Have libraries end the streams that never end by themselves."""
        for worker in self.pool:
            worker.end_streams()


def api_kind(settings: Settings) -> WorkerKind:
    """Workers that run the API."""
    return WorkerKind(
        name="api",
        title="API worker",
        socket="api",
        command=API_WORKER,
        health=HEALTH,
        limits=api_limits(settings),
        via="",  # As in the gateway's own process, the API sees the request of the client.
        unavailable=answer_unavailable,
        refuse=refuse,
        stop_s=STOP_S + settings.api_shutdown_timeout_s,
    )


def api_limits(settings: Settings) -> ProxyLimits:
    """The limits of the proxy, without those that the API in process has not."""
    return dataclasses.replace(proxy_limits(settings), read=0.0, body=0, concurrent=0, ws_open=0.0)


async def answer_unavailable(scope: Scope, send: Send) -> None:
    """Respond with 503 while no worker can serve."""
    await refuse(scope, send, 503, UNAVAILABLE)


async def refuse(scope: Scope, send: Send, status: int, detail: str) -> None:
    """Respond with problem JSON."""
    again = [(b"retry-after", str(RETRY_AFTER_S).encode())] if status == 503 else []
    await answer_problem(scope, send, status, detail, [NO_STORE, *again])
