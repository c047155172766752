"""The UI in supervised worker processes behind the proxy.

Every request asks `affinity.choose` for a worker of the pool. With a single worker there is nothing
to choose, and no cookie is set.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from functools import partial

from fluxlit._internal.asgi import Header, Receive, Scope, Send
from fluxlit._internal.responses import answer_unavailable
from fluxlit.backends.affinity import Kind, RoutingHint, WorkerState, choose, routing_hint, worker_cookie
from fluxlit.backends.backend import UiFacts, health_path, proxy_limits
from fluxlit.backends.sticky_cookie import CookieSetter, ask_in_turn
from fluxlit.backends.worker import Worker, WorkerKind
from fluxlit.backends.worker_pool import WorkerPool
from fluxlit.proxy.reverse_proxy import refuse
from fluxlit.settings import Resolved, Settings
from fluxlit.worker.command import WORKER


class WorkersBackend(WorkerPool):
    """The UI in worker processes.

    Args:
        facts: what the application knows.
        resolved: the effective settings.
    """

    def __init__(self, facts: UiFacts, resolved: Resolved) -> None:
        count = resolved.settings.streamlit_workers
        super().__init__(ui_kind(resolved.settings), count, facts, resolved, cookie_secret=secrets.token_hex(32))
        self._several = count > 1

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Relay to a worker; 503 while there is none."""
        if len(self.pool) > 1 or self.leaving:
            return self._relay_to_chosen(scope, receive, send)
        worker = self.pool[0]
        return worker(scope, receive, send) if worker.ready else answer_unavailable(scope, send)

    async def _relay_to_chosen(self, scope: Scope, receive: Receive, send: Send) -> None:
        mount = self.settings.root_path
        request = routing_hint(
            scope["type"], scope["path"][len(mount) :], scope.get("subprotocols", ()), scope["headers"]
        )
        chosen = self._choose(request)
        if not chosen:
            await answer_unavailable(scope, send)
            return
        if request.kind is Kind.STREAM and request.cookie == chosen[0].key:
            chosen[0].use_reservation()
        elif self._several and request.cookie != chosen[0].key:
            send = CookieSetter(send, partial(self._tie, chosen[0], scope))
        if request.kind is Kind.MEDIA:
            # Meanwhile one may have finished what it had, and ended.
            still_there = (worker for worker in chosen if worker.state is not WorkerState.DOWN)
            await ask_in_turn(still_there, scope, receive, send)
        else:
            await chosen[0](scope, receive, send)

    def _choose(self, request: RoutingHint) -> list[Worker]:
        every_worker = {worker.key: worker for worker in (*self.pool, *self.leaving)}
        candidates = [worker.candidate(request.session) for worker in every_worker.values()]
        return [every_worker[key] for key in choose(request, candidates)]

    def _tie(self, worker: Worker, scope: Scope) -> Header:
        """The cookie that brings a browser back to its worker."""
        if scope["type"] == "http":
            worker.reserve()
        return worker_cookie(worker.key, path=self.settings.root_path, secure=scope["scheme"] in ("https", "wss"))


def ui_kind(settings: Settings) -> WorkerKind:
    """Workers that run Streamlit."""
    return WorkerKind(
        name="ui",
        title="Streamlit worker",
        socket="worker",
        command=WORKER,
        health=health_path(settings),
        limits=proxy_limits(settings),
        via=settings.gateway_via,
        unavailable=answer_unavailable,
        refuse=refuse,
    )
