"""One worker: its process, the proxy to it, and its sessions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import secrets
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.backends.affinity import Candidate, WorkerState
from fluxlit.backends.backend import STOP_S, WorkerStatus, worker_label
from fluxlit.errors import WorkerError
from fluxlit.observability.metrics import Samples
from fluxlit.proxy import Address, ProxyLimits, ReverseProxy, Upstream, UpstreamError, UpstreamMetrics
from fluxlit.proxy.reverse_proxy import Refusal
from fluxlit.supervisor.driver import Policy, Supervisor
from fluxlit.supervisor.spawn import Command, SpawnedProcess
from fluxlit.worker.log_records import replay
from fluxlit.worker.worker_spec import WorkerSpec

logger = logging.getLogger("fluxlit.worker")

PROBE_S = 2.0
RELOAD_S = 60.0
MEASURE_S = 1.0
RESERVATION_S = 5.0
"""How long a browser that was sent here by the cookie on its page counts as load before its WebSocket arrives."""

RETIRE_LOOK_S, RETIRE_IDLE_S = 0.2, 10.0

MOST_LEFT = 4096
"""Sessions without a browser that are remembered. By default Streamlit keeps 128, for two minutes."""


@dataclass(frozen=True)
class WorkerKind:
    """What differs between the workers of the UI and those of the API.

    Attributes:
        name: in status; its workers have it in their names in metrics, but for those of the UI.
        title: what logs call a worker, before its number.
        socket: beginning of the names of their sockets.
        command: starts one.
        health: path that answers 200 while the worker can serve.
        limits: of the proxy to it.
        via: see `ReverseProxy`.
        unavailable: answers while a worker does not run.
        refuse: answers what cannot be relayed.
        stop_s: seconds that one may take to stop when it is replaced.
    """

    name: str
    title: str
    socket: str
    command: Command
    health: str
    limits: ProxyLimits
    via: str
    unavailable: Callable[[Scope, Send], Awaitable[None]]
    refuse: Refusal
    stop_s: float = STOP_S


class Worker:
    """One worker.

    Args:
        kind: what it runs.
        number: what logs call it.
        spec: its specification.
        meter: what is counted about the connections to it.
        head_start: its process, if that runs already.

    Attributes:
        kind: what it runs.
        key: what the affinity cookie calls it. A worker that starts again has lost its sessions, so it gets a new one.
        leaving: it finishes what it has, and gets nothing new.
        retiring: it leaves, but its sessions stay until they end.
        served: requests and WebSockets that it got.
        sessions: as the worker reports them.
    """

    def __init__(
        self,
        kind: WorkerKind,
        number: int,
        spec: WorkerSpec,
        meter: UpstreamMetrics,
        head_start: SpawnedProcess | None = None,
    ) -> None:
        settings = spec.effective_settings()
        self.kind = kind
        self.number = number
        self.key = secrets.token_hex(8)
        self.leaving = False
        self.retiring = False
        self.served = 0
        self.sessions = Sessions()
        self._debug = settings.log_level == "debug"
        self._failure: str | None = None
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._exchanges = 0
        self._idle = asyncio.Event()
        self._closed = False
        self._streams = 0
        self._reservations: deque[float] = deque()
        self.upstream = Upstream(Address.unix(spec.socket), limits=kind.limits, meter=meter)
        self._counted = Samples()
        self._ended = Samples()
        self._measuring: asyncio.Task[None] | None = None
        self._proxy = ReverseProxy(self.upstream, via=kind.via, refusal=self._refuse)
        self.supervisor = Supervisor(
            f"{kind.title} {number}",
            kind.command,
            probe=self._probe,
            policy=Policy(
                start_timeout_s=settings.streamlit_start_timeout_s,
                probe_timeout_s=PROBE_S,
                # A breakpoint stops the whole process, for as long as the developer thinks.
                hung_after_s=math.inf if spec.development else settings.streamlit_hung_timeout_s,
            ),
            greeting=spec.to_json(),
            on_line=self._heard,
            on_output=_log_output,
            explain=self._gone,
            head_start=head_start,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay a request to the worker, and count it while it is under way."""
        self.served += 1
        if scope["type"] == "websocket":
            await self._stream(scope, receive, send)
            return
        self._exchanges += 1
        try:
            await self._proxy(scope, receive, send)
        finally:
            self._exchanges -= 1
            if self._closed and not self._exchanges:
                self._idle.set()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams += 1
        try:
            await self._proxy(scope, receive, send)
        finally:
            self._streams -= 1

    @property
    def ready(self) -> bool:
        """There is a worker to relay to."""
        return self.supervisor.status.ready

    @property
    def answering(self) -> bool:
        """The worker has answered its last probe."""
        status = self.supervisor.status
        return status.ready and status.answering

    @property
    def state(self) -> WorkerState:
        """What may be sent to the worker."""
        status = self.supervisor.status
        if self._closed or not status.ready:
            return WorkerState.DOWN
        if self.retiring:
            return WorkerState.RETIRING
        if self.leaving:
            return WorkerState.LEAVING
        return WorkerState.ANSWERING if status.answering else WorkerState.SILENT

    @property
    def load(self) -> int:
        """Sessions that are open here, or are about to be."""
        while self._reservations and self._reservations[0] <= asyncio.get_running_loop().time():
            self._reservations.popleft()
        return self._streams + len(self._reservations)

    @property
    def busy(self) -> int:
        """Requests and WebSockets that are under way."""
        return self._exchanges + self._streams

    def candidate(self, session: str | None) -> Candidate:
        """The worker as the choice sees it."""
        return Candidate(self.key, self.state, self.load, session is not None and session in self.sessions)

    def end_streams(self) -> None:
        """Have libraries in an API worker end their endless streams."""
        self.supervisor.send_line(json.dumps({"type": "drain"}))

    def reserve(self) -> None:
        """Count a browser that will open its WebSocket here."""
        self._reservations.append(asyncio.get_running_loop().time() + RESERVATION_S)

    def use_reservation(self) -> None:
        """A browser with this worker's cookie has come."""
        if self._reservations:
            self._reservations.popleft()

    async def stop(self, timeout_s: float) -> None:
        """End the worker. Open requests fail, and WebSockets close with 1012."""
        await self.supervisor.stop(timeout_s)
        await self.upstream.close()

    async def drain(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` for open requests and runs to end.

        Until the last run has ended its browsers get their files here. Afterwards nothing more is sent here.
        """
        self.leaving, self.retiring = True, False
        try:
            async with asyncio.timeout(timeout_s):
                if self.ready:
                    await self._ask({"type": "drain"}, "drained")
                self._closed = True
                if self._exchanges:
                    await self._idle.wait()
        except TimeoutError:
            logger.warning("%s is stopped although it has work left.", self.supervisor.name)
        self._closed = True

    async def retire(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` until no session has had a browser here.

        A browser that has lost its connection is given `RETIRE_IDLE_S` to come back.
        """
        self.leaving = self.retiring = True
        clock = asyncio.get_running_loop().time
        used = begun = clock()
        while self.retiring and clock() - begun < timeout_s and clock() - used < RETIRE_IDLE_S:
            await asyncio.sleep(RETIRE_LOOK_S)
            if len(self.sessions):
                used = clock()

    def end_retirement(self) -> None:
        """Have `retire` return, also with open sessions."""
        self.retiring = False

    async def reload(self, changed: frozenset[Path]) -> str:
        """See `Backend.reload`."""
        if not self.ready:
            return f"{self.supervisor.status.detail}; it will come back with the new code"
        question = {"type": "reload", "changed": sorted(map(str, changed))}
        try:
            answer = await asyncio.wait_for(self._ask(question, "reloaded"), RELOAD_S)
        except TimeoutError:
            raise WorkerError(
                f"The worker has not reloaded within {RELOAD_S:g} s. Does a module block at import?"
            ) from None
        if not answer["ok"]:
            raise WorkerError(answer["detail"])
        return str(answer["detail"])

    def status(self, restarts: int = 0) -> WorkerStatus:
        """How the worker is.

        Args:
            restarts: those of its forerunners.
        """
        status = self.supervisor.status
        state = "leaving" if self.leaving else status.state.value
        if not self.leaving and status.ready and not status.answering:
            state = "not answering"
        return WorkerStatus(
            self.number,
            state,
            self.answering,
            self.leaving,
            status.pid,
            len(self.sessions),
            restarts + status.restarts,
            self.kind.name,
        )

    async def measure(self) -> Samples:
        """The samples of this worker and its forerunners, or the last ones."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measure())
        await asyncio.shield(self._measuring)
        total = Samples()
        total.update(self._ended)
        total.update(self._counted)
        return total

    async def _measure(self) -> None:
        if not self.answering:
            return
        question = {"type": "measure", "worker": worker_label(self.kind.name, self.number)}
        with contextlib.suppress(TimeoutError):
            answer = await asyncio.wait_for(self._ask(question, "measured"), MEASURE_S)
            if "readings" in answer:  # not, if the worker ended meanwhile
                self._counted = Samples.from_json(answer["readings"])

    async def _ask(self, question: dict[str, Any], kind: str) -> dict[str, Any]:
        """Send a message; wait for its reply, or for the worker's end."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[kind] = answer
        self.supervisor.send_line(json.dumps(question))
        try:
            return await answer
        finally:
            self._asked.pop(kind, None)

    async def _probe(self) -> bool:
        try:
            return await self.upstream.probe(self.kind.health, within=PROBE_S) == 200
        except UpstreamError:
            return False

    def _heard(self, line: str) -> None:
        message = json.loads(line)
        kind = message.get("type")
        if kind == "log":
            replay(message)
        elif kind == "ready":
            self.supervisor.expect_readiness()
        elif kind == "session":
            self.sessions.note(message["event"], message["id"])
        elif kind == "failed":
            self._failure = message["message"] + (f"\n{message['traceback']}" if self._debug else "")
        elif kind in self._asked and not self._asked[kind].done():
            self._asked[kind].set_result(message)

    def _gone(self) -> str | None:
        """Forget what ended with the worker; return its own reason, once."""
        failure, self._failure = self._failure, None
        self.key = secrets.token_hex(8)
        self.served = 0
        self.sessions.clear()
        self._ended.update(self._counted)
        self._counted = Samples()
        self._reservations.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result({"ok": False, "detail": failure or "The worker ended while it reloaded."})
        return failure

    async def _refuse(self, scope: Scope, send: Send, status: int, detail: str) -> None:
        # A process that is being killed drops its sockets some time before its end can be seen.
        if status == 502 and not (self.ready and await self._probe()):
            await self.kind.unavailable(scope, send)
        else:
            await self.kind.refuse(scope, send, status, detail)


class Sessions:
    """Ids of a worker's sessions: with a browser, or left by one.

    Streamlit does not report when it forgets a session that no browser came back to. Such an id stays here until others
    push it out. It does no harm: a browser that names it is sent to this worker, and gets a new session.
    """

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._left: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, session: object) -> bool:
        return session in self._open or session in self._left

    def __len__(self) -> int:
        """The number of sessions with a browser."""
        return len(self._open)

    def note(self, event: str, session: str) -> None:
        """Note a session that was ``opened``, ``left`` or ``closed``."""
        self._open.discard(session)
        self._left.pop(session, None)
        if event == "opened":
            self._open.add(session)
        elif event == "left":
            self._left[session] = None
            if len(self._left) > MOST_LEFT:
                self._left.popitem(last=False)

    def clear(self) -> None:
        """The worker is gone, and all its sessions with it."""
        self._open.clear()
        self._left.clear()


def _log_output(stream: str, line: str) -> None:
    logger.log(logging.WARNING if stream == "stderr" else logging.INFO, "%s", line)
