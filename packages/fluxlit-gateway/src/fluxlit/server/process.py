"""The life of a server process under signals: start, serve, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fluxlit.errors import FluxLitError
from fluxlit.server.registry import END_S
from fluxlit.server.sockets.listeners import Listener
from fluxlit.server.sockets.systemd import Notifier
from fluxlit.server.sockets.tls import Tls
from fluxlit.server.uvicorn_server import AsgiServer, served

if TYPE_CHECKING:
    from fluxlit.server.runtime import Runtime

logger = logging.getLogger("fluxlit")

FORCED_END_S = 2.0
"""Seconds after the second Ctrl-C, until the process ends regardless of what still runs."""

FORCED = 130
"""Exit code then, as of a process that an interrupt ended."""

SOON_S = 1.0

Watch = Callable[["Runtime"], Awaitable[None]]


class Process:
    """One server process.

    Args:
        runtime: what is served.
        server: serves it.
        listeners: where.
        tls: its certificate; `None` for plain HTTP.
        notifier: is notified of ready, reloading and stopping.
        watch: runs beside the server, under development.
    """

    def __init__(
        self,
        runtime: Runtime,
        server: AsgiServer,
        listeners: list[Listener],
        *,
        tls: Tls | None = None,
        notifier: Notifier | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._runtime = runtime
        self._server = server
        self._listeners = listeners
        self._tls = tls
        self._notifier = notifier or Notifier({})
        self._watch = watch
        self._stopping = False
        self._ended_by_watch = False
        self._interrupted = False
        self._starting: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._rolling = False
        self._roll_again = False
        self._had_terminal = has_terminal()

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Run to the end.

        Returns the exit code: `FORCED` if a signal came after the watcher had ended the process, so that it must not
        begin again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled, number)
        if hasattr(signal, "SIGHUP"):
            ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            loop.add_signal_handler(signal.SIGHUP, self._hung_up, ignored)
            # Streamlit stops in order after it too, and images have it as their stop signal.
            loop.add_signal_handler(signal.SIGQUIT, self._signalled, signal.SIGTERM)
        self._alongside(self._notifier.keep_alive())
        try:
            await self._start()
            if not self._stopping:
                await self._serve(on_ready)
        finally:
            await self._end()
        return FORCED if self._interrupted else 0

    async def _start(self) -> None:
        self._starting = asyncio.create_task(self._runtime.lifecycle.start())
        try:
            await self._starting
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._starting = None

    async def _serve(self, on_ready: Callable[[], None]) -> None:
        serving = asyncio.create_task(self._server.serve(sockets=[each.socket for each in self._listeners]))
        await served(self._server, serving)
        if self._server.started and not self._stopping:
            self._runtime.lifecycle.announce([each.origin(tls=self._tls is not None) for each in self._listeners])
            on_ready()
            self._notifier.ready(self._runtime.target or "")
            if self._watch is not None:
                self._alongside(run_watch(self._watch, self._runtime, self._watch_ended))
        await serving

    async def _end(self) -> None:
        """Stop everything."""
        self._ending = asyncio.create_task(self._runtime.lifecycle.stop())
        with contextlib.suppress(asyncio.CancelledError):
            await self._ending
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)

    def _alongside(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # Signals.

    def _signalled(self, number: signal.Signals) -> None:
        self._interrupted = self._ended_by_watch
        if self._stopping and number == signal.SIGINT:
            self._hurry()
        elif not self._stopping:
            self._alongside(self._report_waiting(may_interrupt=number == signal.SIGINT))
        delay = self._runtime.settings.gateway_drain_delay_s
        waits = number == signal.SIGTERM and delay and self._server.started
        self._say_stopping(delay if waits else 0.0)
        self._runtime.lifecycle.drain()
        if waits:
            asyncio.get_running_loop().call_later(delay, self._stop)
        else:
            self._stop()

    def _hurry(self) -> None:
        """A second Ctrl-C: stop at once. Workers end with this process anyway."""
        # Python waits for threads, and a plain `def` route runs in one that nothing can interrupt.
        end = threading.Timer(FORCED_END_S, os._exit, (FORCED,))
        end.daemon = True
        end.start()
        self._server.force_exit = True
        self._runtime.lifecycle.hurry()
        if self._ending is not None:
            self._ending.cancel()

    async def _report_waiting(self, *, may_interrupt: bool) -> None:
        """Log what the end of the process waits for, unless it ends soon."""
        await asyncio.sleep(SOON_S)
        count = self._runtime.lifecycle.open_requests
        what = f"{count} open request{'' if count == 1 else 's'}" if count else "pages and API to stop"
        limit = self._runtime.settings.uvicorn_graceful_shutdown_timeout_s
        hint = " Ctrl-C again stops at once." if may_interrupt else ""
        logger.info("Stopping: waiting up to %g s for %s.%s", limit, what, hint)

    def _say_stopping(self, delay: float) -> None:
        settings = self._runtime.settings
        if not self._stopping:
            ends = settings.uvicorn_graceful_shutdown_timeout_s + settings.api_shutdown_timeout_s
            self._notifier.stopping(delay + ends + END_S)

    def _stop(self) -> None:
        self._stopping = True
        self._runtime.lifecycle.drain()
        # What uvicorn's own signal handler calls: libraries hook it to end their streams (sse-starlette).
        self._server.handle_exit(signal.SIGTERM, None)
        self._runtime.lifecycle.end_streams()
        if self._starting is not None:
            self._starting.cancel()

    def _watch_ended(self) -> None:
        self._ended_by_watch = True
        self._stop()

    def _hung_up(self, ignored: bool) -> None:  # noqa: FBT001  (the loop passes it on)
        """SIGHUP: replace the workers, or stop if the terminal hung up."""
        if self._watch is not None or (self._had_terminal and not has_terminal()):
            if not ignored:  # nohup(1)
                self._stop()
        elif self._stopping or not self._server.started:
            logger.info("SIGHUP is ignored, as the server is %s.", "stopping" if self._stopping else "starting")
        elif self._rolling:
            self._roll_again = True
        else:
            self._rolling = True
            self._alongside(self._roll())

    async def _roll(self) -> None:
        """Replace certificate and workers; the old ones stay if new ones fail."""
        try:
            self._notifier.reloading()
            self._roll_again = True
            while self._roll_again:
                self._roll_again = False
                if self._tls is not None:
                    self._tls.reload()
                logger.info("SIGHUP: %s.", await self._runtime.roll())
        except FluxLitError as error:
            logger.error("SIGHUP: reload incomplete: %s", error)  # noqa: TRY400  # the message names the cause
        finally:
            self._rolling = False
            self._notifier.ready()


async def run_watch(watch: Watch, runtime: Runtime, stop: Callable[[], None]) -> None:
    """Run the watcher: its return ends the process, its failure does not."""
    try:
        await watch(runtime)
    except Exception:
        logger.exception("Changed files are no longer noticed, because the watcher failed")
    else:
        stop()


def has_terminal() -> bool:
    """Whether the process has a terminal that could hang up."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True
