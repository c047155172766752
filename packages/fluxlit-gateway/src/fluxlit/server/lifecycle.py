"""What a server process starts, in which order, and how it ends.

Start: the admin listener, the session store, the UI, the API's own lifespan. Stop: the reverse.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fluxlit import sessions
from fluxlit._internal.asgi import Application
from fluxlit._internal.cancellation import cancel
from fluxlit._internal.descriptors import watched
from fluxlit._internal.procfs import birth
from fluxlit._internal.slow_steps import log_if_slow
from fluxlit._internal.tested_versions import warn_of_untested
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.backends import STOP_S, Renewal, WorkerPool
from fluxlit.frontend import store_of
from fluxlit.gateway import Assets, Gateway
from fluxlit.observability.request_counters import RequestCounters
from fluxlit.server.admin import Admin, AdminServer, Reporter
from fluxlit.server.api import Api
from fluxlit.server.registry import END_S, Server, announce
from fluxlit.server.run_directory import RunDirectory, run_directory
from fluxlit.server.ui import Ui
from fluxlit.settings import Resolved
from fluxlit.urls import PublicAddress

HURRIED_STOP_S = 1.0
"""Seconds that the API's lifespan and the UI get each after a second Ctrl-C."""

LEAST_STOP_S = 2.0
"""Seconds that the UI gets to stop when open requests have used up the graceful time; a worker needs half a second."""


@dataclass
class Parts:
    """The parts of one server, wired.

    Attributes:
        gateway: routes requests.
        auth: the authentication middleware; `None` without a login.
        api: the API half.
        page_calls: the API as pages call it.
        ui: the UI half.
        counters: what was answered.
        address: what the server knows of its own address.
        assets: serves Streamlit's front end; `None` if another server does.
    """

    gateway: Gateway
    auth: AuthMiddleware | None
    api: Api
    page_calls: Application
    ui: Ui
    counters: RequestCounters
    address: PublicAddress
    assets: Assets | None = None


class Lifecycle:
    """Starts and stops the parts of one server.

    Args:
        parts: what is started.
        resolved: the effective settings.
        target: the FluxLit object by its name, for status and records; empty if it has none.

    Attributes:
        address: what the server knows of its own address.
    """

    def __init__(self, parts: Parts, resolved: Resolved, target: str = "") -> None:
        self._parts = parts
        self.address = parts.address
        self._resolved = resolved
        self._settings = resolved.settings
        mode = self._settings.streamlit_mode if parts.ui.enabled else ""
        self._status = Reporter(mode, self.state, parts.counters, resolved=resolved)
        self._target = target
        self._stack = contextlib.AsyncExitStack()
        self._directory: RunDirectory | None = None
        self._admin = ""
        self._drained_at = 0.0
        self._hurried = False
        self._serves = False

    async def start(self) -> None:
        """Start everything; returns when pages and API can be served.

        Raises:
            FluxLitError: something cannot start. Nothing is left running then.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything that was started, last first."""
        self.drain()
        stack, self._stack = self._stack, contextlib.AsyncExitStack()
        await stack.aclose()

    def drain(self) -> None:
        """Have the readiness probe refuse new work."""
        if not self._parts.gateway.draining:
            self._parts.gateway.draining = True
            self._drained_at = time.monotonic()

    @property
    def open_requests(self) -> int:
        """Requests without a complete response."""
        return self._parts.counters.active

    def end_streams(self) -> None:
        """Have API workers end the streams that never end by themselves."""
        if (workers := self._parts.api.workers) is not None:
            workers.end_streams()

    def hurry(self) -> None:
        """Stop as fast as possible."""
        self._hurried = True

    def announce(self, addresses: Sequence[str]) -> None:
        """Record where the application is served, for commands.

        Args:
            addresses: `http://host:port`, `https://host:port` or `unix:/path`; none where another server listens.
        """
        parts, settings = self._parts, self._settings
        self._status.addresses = tuple(addresses)
        if origin := next((each for each in addresses if each.startswith("http")), ""):
            parts.address.origin = origin
        if self._directory is None:
            return
        record = Server(
            pid=os.getpid(),
            project=str(self._resolved.project_root),
            target=self._target,
            started_at=self._status.started_at,
            addresses=tuple(addresses),
            tls=settings.tls_certificate is not None,
            api=settings.root_path + settings.api_mount_path,
            admin=self._admin,
            born=birth(os.getpid()),
            stop_s=settings.gateway_drain_delay_s
            + settings.uvicorn_graceful_shutdown_timeout_s
            + settings.api_shutdown_timeout_s
            + END_S,
        )
        with contextlib.suppress(OSError):  # a full disk; nothing that serves visitors needs the record
            announce(self._directory.path, record)

    def state(self) -> tuple[str, str]:
        """``starting``, ``ready``, ``not ready`` or ``draining``, and why."""
        if self._parts.gateway.draining:
            return "draining", "the server is shutting down"
        if not self._serves:
            return "starting", ""
        readiness = self._parts.gateway.readiness()
        return "ready" if readiness.ready else "not ready", readiness.detail

    async def _start(self) -> None:
        parts, enter = self._parts, self._stack.enter_async_context
        parts.gateway.draining = self._serves = False
        warn_of_untested()
        self._status.started_at = time.time()
        self._status.target = self._target
        self._directory = self._stack.enter_context(run_directory())
        admin = AdminServer(Admin(self._status), self._settings, Path(self._directory.socket("admin")))
        self._admin = (await enter(admin.running()))[0]
        self.announce(())
        await enter(sessions.opened(self._settings))
        shared = None
        if parts.assets is not None and (store := store_of(self._settings)) is not None:
            shared = parts.assets.share(store)
            await enter(shared.running())
        await enter(watched("The gateway"))
        await enter(self._status.pulse.beating())
        if parts.auth is not None:
            await enter(parts.auth.running())
        async with self._api_started(self._directory):
            if parts.ui.enabled:
                self._status.backends["ui"] = parts.ui.build(self._directory)
                await enter(parts.ui.running(self._directory, parts.page_calls, self._ui_stop_timeout))
            # The API ends before the UI.
            self._stack.push_async_callback(self._stop_api)
        pools = [each for each in self._status.backends.values() if isinstance(each, WorkerPool)]
        if pools:
            await enter(Renewal(pools, self._settings).running())
        self._status.pulse.watch()
        if shared is not None:
            async with log_if_slow("the session store (for files of the front end)"):
                await shared.wait()
        self._serves = True

    @contextlib.asynccontextmanager
    async def _api_started(self, directory: RunDirectory) -> AsyncIterator[None]:
        """Start the API after the block, or its workers beside the UI."""
        api = self._parts.api
        workers = api.build(directory)
        if workers is None:
            yield
            await self._start_api()
            return
        self._status.backends["api"] = workers
        starting = asyncio.create_task(self._start_api())
        try:
            yield
            await starting
        finally:
            await cancel([starting])

    async def _start_api(self) -> None:
        async with log_if_slow("the start of the API (its lifespan)"):
            await self._parts.api.start()

    async def _stop_api(self) -> None:
        settings, timeout_s = self._settings, self._settings.api_shutdown_timeout_s
        if settings.api_workers:  # Their tasks, such as those in the background of a response, end with the process.
            timeout_s += max(LEAST_STOP_S, self._graceful_rest())
        await self._parts.api.stop(HURRIED_STOP_S if self._hurried else timeout_s)

    def _ui_stop_timeout(self) -> float:
        """Seconds that the UI may take to stop: the rest of the graceful time."""
        return HURRIED_STOP_S if self._hurried else min(STOP_S, max(LEAST_STOP_S, self._graceful_rest()))

    def _graceful_rest(self) -> float:
        return self._drained_at + self._settings.uvicorn_graceful_shutdown_timeout_s - time.monotonic()
