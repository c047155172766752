"""One worker process of any kind, from its specification to its end.

It reads its `WorkerSpec` from the line channel, prepares the application, and serves it under uvicorn on a UNIX socket.
A failure on that way is reported over the channel in one message that a person can act on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from fluxlit._internal.descriptors import watched
from fluxlit._internal.garbage_collection import collection_paused
from fluxlit.errors import FluxLitError
from fluxlit.observability.event_loop_lag import LoopLag
from fluxlit.observability.logs.configuration import ChatterFilter, filter_uvicorn_log
from fluxlit.observability.metrics import Samples
from fluxlit.settings import Settings
from fluxlit.supervisor.lifeline import Lifeline
from fluxlit.worker.log_records import ChannelHandler
from fluxlit.worker.worker_spec import WorkerSpec

logger = logging.getLogger("fluxlit.worker")

KEEP_ALIVE_S = 75
"""How long an idle connection of the gateway is kept; far above the time after which the gateway closes it itself."""


class WorkerProgram(ABC):
    """What one kind of worker does.

    Attributes:
        title: what messages call it.
        advice: what to do about a route that blocks the event loop.
    """

    title: str
    advice = ""

    def __init__(self, spec: WorkerSpec, lifeline: Lifeline) -> None:
        self.spec = spec
        self.settings = spec.effective_settings()
        self.lifeline = lifeline
        self.lag = LoopLag(f"{self.title} (process {os.getpid()})", self.advice)
        self.loop: asyncio.AbstractEventLoop
        self.server: WorkerServer

    @classmethod
    @abstractmethod
    def request_id(cls) -> str:
        """The id of the current request, for the log; empty outside of one."""

    @abstractmethod
    def prepare(self) -> None:
        """Everything that may fail, before anything listens.

        Raises:
            FluxLitError: options, script or target are wrong.
        """

    @abstractmethod
    def configuration(self) -> uvicorn.Config:
        """How uvicorn serves the application; made after `prepare`."""

    def started(self) -> None:  # noqa: B027  (most have nothing to do)
        """The server accepts connections."""

    def running(self) -> AbstractAsyncContextManager[object]:
        """What must run as long as the server does."""
        return contextlib.nullcontext()

    async def ended(self) -> None:  # noqa: B027
        """The server has ended."""

    @abstractmethod
    def measured(self, worker: str) -> Samples:
        """All that this process counts, for the worker of this number."""

    @abstractmethod
    async def drain(self) -> None:
        """Return when nothing is left to do but the requests under way."""

    @abstractmethod
    async def reload(self) -> tuple[bool, str]:
        """Load changed code, in development: whether it worked, and one line."""

    def serve(self) -> None:
        """Serve until SIGTERM."""
        reserve_socket(self.spec.socket)
        config = self.configuration()
        self.server = WorkerServer(config, self._started)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(self.run())

    async def run(self) -> None:
        """Serve, on the event loop."""
        self.loop = asyncio.get_running_loop()
        async with watched(f"The {self.title}"), self.lag.beating(), self.running():
            await self.server.serve()
        await self.ended()

    def graceful_s(self) -> int:
        """Seconds for open requests when this process stops.

        The supervisor's SIGKILL comes at the end of the setting; what is stopped after the server needs the rest.
        """
        return max(1, int(self.settings.uvicorn_graceful_shutdown_timeout_s) - 2)

    def send(self, message: dict[str, Any]) -> None:
        """Send the gateway a message; from any thread."""
        self.lifeline.send_line(json.dumps(message))

    def _started(self) -> None:
        self.started()
        self.lag.watch()
        self.lifeline.watch(self._heard)
        self.send({"type": "ready"})

    def _heard(self, line: str) -> None:
        """A line from the gateway, in the lifeline's thread."""
        message = json.loads(line)
        if message["type"] == "measure":
            self.loop.call_soon_threadsafe(self._measure, message["worker"])
            return
        answers = {"reload": self._reload, "drain": self._drain}
        asyncio.run_coroutine_threadsafe(answers[message["type"]](), self.loop).add_done_callback(_log_failure)

    def _measure(self, worker: str) -> None:
        self.send({"type": "measured", "readings": self.measured(worker).to_json()})

    async def _drain(self) -> None:
        await self.drain()
        self.send({"type": "drained"})

    async def _reload(self) -> None:
        ok, detail = False, "The worker could not reload: its log has the error."
        try:
            ok, detail = await self.reload()
        finally:
            self.send({"type": "reloaded", "ok": ok, "detail": detail})


def _log_failure(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        logger.error("A message of the gateway could not be handled.", exc_info=error)


class WorkerServer(uvicorn.Server):
    """Uvicorn with a callback at start and exit code 0 after SIGTERM.

    Uvicorn raises the signal again after its shutdown. A supervisor would then take an orderly end for a kill.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._terminated = asyncio.Event()
        self._ending_since: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; libraries hook the method to end their streams."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and report it."""
        await super().startup(sockets)
        self._on_started()

    async def main_loop(self) -> None:
        """Serve until SIGTERM, also when `handle_exit` was called before."""
        await super().main_loop()
        await self._terminated.wait()
        # What the requests have had since is not given a second time.
        if self._ending_since is not None and self.config.timeout_graceful_shutdown is not None:
            spent = int(time.monotonic() - self._ending_since)
            self.config.timeout_graceful_shutdown = max(1, self.config.timeout_graceful_shutdown - spent)

    def terminate(self, number: int) -> None:
        """End; called for a signal."""
        self.handle_exit(number, None)
        self._terminated.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals of a supervisor."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.terminate, number)
        yield


def work(lifeline: Lifeline, program: type[WorkerProgram]) -> int:
    """Run a worker for the gateway; return the exit code."""
    line = lifeline.read_line()
    if not line:
        return 1  # the gateway is gone
    spec = WorkerSpec.from_json(line)
    configure_logging(spec.effective_settings(), lifeline.send_line, program.request_id)
    try:
        sys.path[:] = list(dict.fromkeys([*spec.sys_path, *sys.path]))
        worker = program(spec, lifeline)
        with collection_paused():
            worker.prepare()
        worker.serve()
    except FluxLitError as error:
        report_failure(lifeline, str(error), error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the outermost boundary of this process)
        what = "".join(traceback.format_exception_only(error)).strip()
        report_failure(lifeline, f"The {program.title} could not start: {what}", error)
    else:
        return 0
    return 1


def report_failure(lifeline: Lifeline, message: str, error: BaseException) -> None:
    """Send the gateway the reason why this worker ends."""
    trace = "".join(traceback.format_exception(error))
    lifeline.send_line(json.dumps({"type": "failed", "message": message, "traceback": trace}))


def configure_logging(settings: Settings, send_line: Callable[[str], None], request_id: Callable[[], str]) -> None:
    """Send the records of this process to the gateway.

    Those of FluxLit, Streamlit and uvicorn always; others as long as the application configures no logging of its own,
    for which the root logger has no handler. See `fluxlit.observability.logs.configuration`.
    """
    level = settings.log_level.upper()
    channel = ChannelHandler(send_line, request_id)
    channel.addFilter(ChatterFilter())
    logging.getLogger().setLevel(level)
    logging.lastResort = channel
    for ours in ("fluxlit", "streamlit", "uvicorn"):
        logging.getLogger(ours).addHandler(channel)
        logging.getLogger(ours).propagate = False
    filter_uvicorn_log()  # they would be the gateway's own a second time


def reserve_socket(path: str) -> None:
    """Create the socket's file for its owner alone.

    Uvicorn binds again and keeps the mode of the file that it finds.
    """
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as placeholder:
        before = os.umask(0o177)
        try:
            placeholder.bind(path)
        finally:
            os.umask(before)
