"""The UI in supervised worker processes behind the proxy.

The pool is a list of members, and every request asks `_choose` for one. There is one member now; what must stick to
the member of its session is in Streamlit's protocol: the WebSocket's third subprotocol is the last session id, and
uploads carry the session id in their path.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from fluxlit.asgi import Receive, Scope, Send
from fluxlit.errors import WorkerError
from fluxlit.proxy import Address, ReverseProxy, Upstream, UpstreamError
from fluxlit.proxy.application import refuse
from fluxlit.settings import Resolved
from fluxlit.supervisor import Command, Policy, Spawned, Supervisor
from fluxlit.ui.logs import replay
from fluxlit.ui.placement import STOP_S, Readiness, UiFacts, health_path, proxy_limits
from fluxlit.ui.spec import WorkerSpec
from fluxlit.ui.unavailable import answer_unavailable

logger = logging.getLogger("fluxlit.worker")

PROBE_S = 2.0
RELOAD_S = 60.0
WORKER = Command([sys.executable, "-m", "fluxlit.ui.worker"], environment={"PYTHONUNBUFFERED": "1"})


def head_start() -> Spawned:
    """Start a worker process that does what needs no knowledge of the application, and then waits to be told.

    Half of a worker's start is importing Streamlit, and half of the gateway's is importing the application: with a
    head start both happen at once.
    """
    return Spawned.of(WORKER)


class Member:
    """One worker: its process, the connections to it, and the proxy over them."""

    def __init__(self, number: int, spec: WorkerSpec, head_start: Spawned | None) -> None:
        settings = spec.effective_settings()
        self._debug = settings.debug
        self._failure: str | None = None
        self._reload: asyncio.Future[dict[str, Any]] | None = None
        self._health = health_path(settings)
        self.upstream = Upstream(Address.unix(spec.socket), limits=proxy_limits(settings))
        self.proxy = ReverseProxy(self.upstream, refusal=self._refuse)
        self.supervisor = Supervisor(
            f"Streamlit worker {number}",
            WORKER,
            probe=self._probe,
            policy=Policy(start_timeout_s=settings.streamlit_start_timeout_s, probe_timeout_s=PROBE_S),
            greeting=spec.to_json(),
            on_line=self._heard,
            on_output=_log_output,
            explain=self._take_failure,
            head_start=head_start,
        )

    @property
    def ready(self) -> bool:
        """There is a worker to relay to."""
        return self.supervisor.status.ready

    @property
    def answering(self) -> bool:
        """The worker has answered its last probe."""
        status = self.supervisor.status
        return status.ready and status.answering

    async def reload(self, changed: frozenset[Path]) -> str:
        """See `Placement.reload`."""
        if not self.ready:
            return f"{self.supervisor.status.detail}; it will come back with the new code"
        self._reload = asyncio.get_running_loop().create_future()
        self.supervisor.send_line(json.dumps({"type": "reload", "changed": sorted(map(str, changed))}))
        try:
            answer = await asyncio.wait_for(self._reload, RELOAD_S)
        except TimeoutError:
            raise WorkerError(
                f"The worker has not reloaded within {RELOAD_S:g} s. Does a module block at import?"
            ) from None
        finally:
            self._reload = None
        if not answer["ok"]:
            raise WorkerError(answer["detail"])
        return str(answer["detail"])

    async def _probe(self) -> bool:
        try:
            return await self.upstream.probe(self._health, within=PROBE_S) == 200
        except UpstreamError:
            return False

    def _heard(self, line: str) -> None:
        message = json.loads(line)
        kind = message.get("type")
        if kind == "log":
            replay(message)
        elif kind == "failed":
            self._failure = message["message"] + (f"\n{message['traceback']}" if self._debug else "")
        elif kind == "reloaded" and self._reload is not None and not self._reload.done():
            self._reload.set_result(message)

    def _take_failure(self) -> str | None:
        """The worker's own words about its end, once."""
        failure, self._failure = self._failure, None
        if self._reload is not None and not self._reload.done():
            self._reload.set_result({"ok": False, "detail": failure or "The worker ended while it reloaded."})
        return failure

    async def _refuse(self, scope: Scope, send: Send, status: int, detail: str) -> None:
        # A process that is being killed drops its sockets some time before its end can be seen.
        if status == 502 and not (self.ready and await self._probe()):
            await answer_unavailable(scope, send)
        else:
            await refuse(scope, send, status, detail)


class WorkersPlacement:
    """The UI in worker processes.

    Args:
        facts: what the application knows.
        resolved: the effective settings.
    """

    def __init__(self, facts: UiFacts, resolved: Resolved) -> None:
        sockets = {number: facts.run_directory / f"worker-{number}.sock" for number in range(1, 2)}
        self._members = [
            Member(number, facts.spec(resolved, socket), facts.head_start if number == 1 else None)
            for number, socket in sockets.items()
        ]

    async def start(self) -> None:
        """Start all workers; when one fails, all are stopped.

        Raises:
            WorkerError: with the worker's own message.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for member in self._members:
                    group.create_task(member.supervisor.start())
        except* WorkerError as failures:
            await self.stop()
            raise _first(failures) from None

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """See `Placement.stop`."""
        for member in self._members:
            await member.upstream.close()
        await asyncio.gather(*(member.supervisor.stop(timeout_s) for member in self._members))
        for member in self._members:
            await member.upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay to a worker; 503 while there is none."""
        member = self._choose(scope)
        if member.ready:
            await member.proxy(scope, receive, send)
        else:
            await answer_unavailable(scope, send)

    def readiness(self) -> Readiness:
        """Ready when at least one worker is."""
        ready = any(member.answering for member in self._members)
        return Readiness(ready, "; ".join(member.supervisor.status.detail for member in self._members))

    async def reload(self, changed: frozenset[Path]) -> str:
        """See `Placement.reload`."""
        return "; ".join(await asyncio.gather(*(member.reload(changed) for member in self._members)))

    @property
    def restarts(self) -> int:
        """How often workers were started again."""
        return sum(member.supervisor.status.restarts for member in self._members)

    def _choose(self, _scope: Scope) -> Member:
        return self._members[0]


def _first(failures: BaseExceptionGroup[WorkerError]) -> WorkerError:
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, WorkerError)
    return first


def _log_output(stream: str, line: str) -> None:
    logger.log(logging.WARNING if stream == "stderr" else logging.INFO, "%s", line)
