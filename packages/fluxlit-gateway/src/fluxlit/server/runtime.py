"""One running application: what starts, in which order, and how it ends.

Start: the private socket for pages, the UI, the API's own lifespan. Stop: the reverse. Whoever runs the
runtime, uvicorn through the lifespan protocol or `fluxlit.server.serve`, calls the same two methods.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from fastapi.middleware.cors import CORSMiddleware

from fluxlit import sessions
from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.descriptors import watched
from fluxlit._internal.lifespan import Lifespan
from fluxlit._internal.procfs import birth
from fluxlit._internal.reimport import Project
from fluxlit._internal.responses import request_id_of
from fluxlit._internal.slow_steps import told
from fluxlit.backends import NO_WORKERS, STOP_S, Placement, Readiness, UiFacts, build_placement
from fluxlit.errors import FluxLitError, TargetError
from fluxlit.gateway import Assets, Gateway, Map, OriginPolicy, SecurityHeaders, Trust, closed_prefixes
from fluxlit.observability import logs as fluxlit_logging
from fluxlit.observability.access_log import AccessLog
from fluxlit.observability.current_request import REQUEST_ID
from fluxlit.observability.middleware import Observer
from fluxlit.server.admin import Admin, AdminServer, Reporter
from fluxlit.server.authentication import build_gate, rules_of, secure_openapi
from fluxlit.server.multiworker import refuse_multiworker
from fluxlit.server.registry import END_S, Server, announce
from fluxlit.server.run_directory import RunDirectory, run_directory
from fluxlit.server.sigterm_delay import late_sigterm
from fluxlit.server.sockets.internal_server import PrivateServer
from fluxlit.server.sockets.listeners import bind_file
from fluxlit.settings import Resolved, Settings, resolve, resolve_target
from fluxlit.settings.target import DEFAULT_TARGET, load, locate
from fluxlit.supervisor import Spawned
from fluxlit.urls import INTERNAL, STATE, Known

if TYPE_CHECKING:
    from fluxlit.app import FluxLit


HURRIED_STOP_S = 1.0
"""Seconds that the API's lifespan and the UI get each when nobody wants to wait for the end."""

LEAST_STOP_S = 2.0
"""Seconds that the UI gets to stop when open requests have used up the graceful time; a worker needs half a second."""

NOT_STARTED = Readiness(ready=False, detail="the server has not started the application's lifespan")

NO_UI = Readiness(ready=True, detail="the application has no pages")

logger = logging.getLogger("fluxlit")


class Runtime:
    """A FluxLit application with its settings resolved, ready to be served.

    Args:
        application: the FluxLit object.
        flags: values of command-line options by name of the setting.
        target: where workers import the application from; by default found.
        development: the process is for development: code may be reloaded.
        head_start: a worker process that was started already; ended if it is not needed.

    Attributes:
        settings: the effective settings.
        target: where workers import the application from, if somebody has said so.

    Raises:
        FluxLitError: settings, pages or target are wrong.
    """

    def __init__(
        self,
        application: object,
        *,
        flags: Mapping[str, object] | None = None,
        target: str | None = None,
        development: bool = False,
        head_start: Spawned | None = None,
    ) -> None:
        self.application = cast("FluxLit", application)
        self._flags = dict(flags or {})
        self.resolved: Resolved = resolve(flags=self._flags, arguments=self.application.setting_arguments)
        self.settings: Settings = self.resolved.settings
        self._prepare(self.application)
        self.target = target
        self._development = development
        self._head_start = head_start
        if head_start is not None and not (self.has_ui and self.settings.streamlit_mode == "workers"):
            head_start.discard()
        self._lifespan = Lifespan(self.application.api)
        self._placement: Placement | None = None
        self._stack = contextlib.AsyncExitStack()
        self._drained_at = 0.0
        self._gate = build_gate(self.application, self.settings)
        self._authenticators = self.application.authenticators
        secure_openapi(self.application.api, self._authenticators, self.settings)
        self._hurried = False
        self._serves = False
        self._admin = ""
        self._directory: RunDirectory | None = None
        self._known = Known(self.settings)
        setattr(self.application.api.state, STATE, self._known)
        self._gateway = self._build_gateway()
        log = AccessLog(gateway=self.settings.enable_gateway_access_log, api=self.settings.enable_request_logging)
        self._observer = Observer(
            self._traced("gateway", self._gateway), log=log, fields=SecurityHeaders(self.settings)
        )
        mode = self.settings.streamlit_mode if self.has_ui else ""
        self._reporter = Reporter(mode, self._state, self._observer.traffic, resolved=self.resolved)

    # Serving.

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            return self._run_lifespan(receive, send)
        if self._lifespan.state:
            scope["state"] = {**scope.get("state", {}), **self._lifespan.state}
        return self._observer(scope, receive, send)

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
        """Say by the readiness probe that no new work should come here."""
        if not self._gateway.draining:
            self._gateway.draining = True
            self._drained_at = time.monotonic()

    def hurry(self) -> None:
        """Let the stop take no longer than it must: nobody wants to wait for it."""
        self._hurried = True

    def announce(self, addresses: Sequence[str]) -> None:
        """Say where the application is served, for the commands that look for it.

        Args:
            addresses: `http://host:port`, `https://host:port` or `unix:/path`; none where somebody else listens.
        """
        self._reporter.addresses = tuple(addresses)
        self._known.origin = next((each for each in addresses if each.startswith("http")), "")
        if self._directory is None:
            return
        settings = self.settings
        record = Server(
            pid=os.getpid(),
            project=str(self.resolved.project_root),
            target=self.target or "",
            started_at=self._reporter.started_at,
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

    async def roll(self) -> str:
        """Replace the workers one by one, with no request failing.

        Returns:
            What was done, for the log.

        Raises:
            FluxLitError: a fresh worker cannot start; those that were not yet replaced go on.
        """
        return NO_WORKERS if self._placement is None else await self._placement.roll()

    def _patience(self) -> float:
        """Seconds that the UI may take to stop: what is left of the graceful time, within sensible bounds."""
        if self._hurried:
            return HURRIED_STOP_S
        end = self._drained_at + self.settings.uvicorn_graceful_shutdown_timeout_s
        return min(STOP_S, max(LEAST_STOP_S, end - time.monotonic()))

    async def _start(self) -> None:
        self._gateway.draining = self._serves = False
        self._reporter.started_at = time.time()
        self._reporter.target = self.target or ""
        self._directory = self._stack.enter_context(run_directory())
        self._admin = (await self._stack.enter_async_context(self._admin_server(self._directory)))[0]
        self.announce(())
        await self._stack.enter_async_context(sessions.opened(self.settings))
        await self._stack.enter_async_context(watched("The gateway"))
        await self._stack.enter_async_context(self._reporter.pulse.beating())
        if self._gate is not None:
            await self._stack.enter_async_context(self._gate.running())
        if self.has_ui:
            await self._stack.enter_async_context(self._ui(self._directory))
        async with told("the start of the API (its lifespan)"):
            await self._lifespan.start()
        self._stack.push_async_callback(self._stop_lifespan)
        self._serves = True

    async def _stop_lifespan(self) -> None:
        try:
            await self._lifespan.stop(HURRIED_STOP_S if self._hurried else self.settings.api_shutdown_timeout_s)
        except FluxLitError as error:
            logger.error("%s", error)  # noqa: TRY400  # the message says it all

    @contextlib.asynccontextmanager
    async def _ui(self, directory: RunDirectory) -> AsyncIterator[None]:
        listener = bind_file(Path(directory.socket("api")), 0o600, self.settings.gateway_listen_backlog)
        private = PrivateServer(self._traced("call of a page", self._private_api), [listener])
        try:
            await private.start()
            self._placement = build_placement(self._facts(directory), self.resolved)
            self._reporter.placement = self._placement
            try:
                async with told(f"Streamlit ({self.settings.streamlit_mode})"):
                    await self._placement.start()
                yield
            finally:
                await self._placement.stop(self._patience())
        finally:
            await private.stop()
            listener.close()

    def _admin_server(self, directory: RunDirectory) -> contextlib.AbstractAsyncContextManager[tuple[str, ...]]:
        return AdminServer(Admin(self._reporter), self.settings, Path(directory.socket("admin"))).running()

    def _state(self) -> tuple[str, str]:
        """Whether the application can serve, in a word, and why not."""
        if self._gateway.draining:
            return "draining", "the server is shutting down"
        if not self._serves:
            return "starting", ""
        readiness = self._readiness() if self.has_ui else NO_UI
        return "ready" if readiness.ready else "not ready", readiness.detail

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            fluxlit_logging.attach(self.settings)
            refuse_multiworker(allowed=self.settings.allow_unified_uvicorn_multiworker)
            await self.start()
        except FluxLitError as error:
            if self.settings.debug:
                traceback.print_exc()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        with late_sigterm(self.settings.gateway_drain_delay_s, self.drain):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    # Parts.

    def _prepare(self, application: FluxLit) -> None:
        """Tell an application what only the resolved settings say."""
        application.pages.validate(self.settings.api_mount_path)
        if self.settings.session_store is None:
            application.pages.require_session_store(sessions.NO_STORE)
        if not application.api_is_adopted:
            application.api.title = self.settings.title

    def _api(self, application: FluxLit) -> Application:
        """The API as browsers may call it."""
        if not self.settings.cors_allow_origins:
            return application.api
        return CORSMiddleware(
            application.api,
            allow_origins=self.settings.cors_allow_origins,
            allow_credentials=self.settings.cors_allow_credentials,
            allow_methods=["*"],
            allow_headers=["*"],
        )

    def _build_gateway(self) -> Gateway:
        settings = self.settings
        pages = frozenset(record.path for record in self.application.pages)
        closed = closed_prefixes(settings.streamlit_open_routes)
        # A Streamlit elsewhere may be of another version, with other files.
        here = self.has_ui and settings.streamlit_mode != "external"
        assets = Assets.of_streamlit() if here else None
        return Gateway(
            map=Map(settings.api_mount_path, closed, pages, assets=assets is not None),
            assets=assets,
            api=self._api(self.application),
            ui=self._traced("to the UI", self._to_placement) if self.has_ui else None,
            readiness=self._readiness,
            root_path=settings.root_path,
            trust=Trust.of(enabled=settings.trust_proxy, allowed=settings.forwarded_allow_ips),
            origins=OriginPolicy.of(settings.allowed_origins, settings.public_base_url),
            gate=self._gate,
        )

    def _traced(self, hop: str, application: Application) -> Application:
        """An application with a span around each request, if that is wanted.

        Raises:
            FluxLitError: it is, and OpenTelemetry is not installed.
        """
        if not self.settings.enable_tracing:
            return application
        from fluxlit.observability import tracing  # noqa: PLC0415  # needs a library that only those have who want it

        trust = Trust.of(enabled=self.settings.trust_proxy, allowed=self.settings.forwarded_allow_ips)
        return tracing.HOPS[hop](application, trust.trusts)

    def _to_placement(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._placement is None:
            raise FluxLitError(NOT_STARTED.detail)
        return self._placement(scope, receive, send)

    def _readiness(self) -> Readiness:
        return NOT_STARTED if self._placement is None else self._placement.readiness()

    async def _private_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The API as its own pages see it: the same mount, and nothing else."""
        REQUEST_ID.set(request_id_of(scope))
        if self._lifespan.state:
            scope["state"] = {**scope.get("state", {}), **self._lifespan.state}
        mount = self.settings.root_path + self.settings.api_mount_path
        scope = {**scope, "root_path": mount, INTERNAL: True}
        if self._gate is None:
            await self.application.api(scope, receive, send)
        else:
            path = scope["path"].removeprefix(self.settings.root_path)
            await self._gate.admit_page(self.application.api, scope, receive, send, path)

    @property
    def has_ui(self) -> bool:
        """There are pages, a script, or a Streamlit elsewhere."""
        return self.application.has_ui or self.settings.streamlit_mode == "external"

    def _facts(self, directory: RunDirectory) -> UiFacts:
        settings = self.settings
        public = urlsplit(settings.public_base_url)
        script = self.application.ui_script
        elsewhere = settings.streamlit_mode == "workers" and script is None
        return UiFacts(
            app=self.application,
            target=self._find_target() if elsewhere else None,
            script=script,
            run_directory=directory.path,
            api_socket=Path(directory.socket("api")),
            api_base_url=f"http://localhost{settings.root_path}{settings.api_mount_path}",
            login=self._gate is not None,
            public_host=public.hostname or "localhost",
            public_port=public.port or (443 if public.scheme == "https" else settings.gateway_port),
            development=self._development,
            head_start=self._head_start,
        )

    def _find_target(self) -> str:
        """Where workers import the application from, in the order of docs/reference/settings.md."""
        target = self.target or resolve_target(flags=self._flags).target or self.application.import_target
        if target is not None:
            return target
        found = locate(self.application)
        if found is not None:
            return str(found)
        raise TargetError(
            DEFAULT_TARGET,
            "The FluxLit object is in no module that a worker process could import. Create it at the top level of a "
            "module, or say where it is: FluxLit(import_target='module:attribute').",
        )

    # Development.

    async def reload(self, changed: frozenset[Path]) -> str:
        """Take over changed source files: the API by swapping the application, the pages in their worker.

        Args:
            changed: absolute paths of files that were added, modified or deleted.

        Returns:
            One line that says what was reloaded.

        Raises:
            FluxLitError: the new code cannot be loaded; the old serves on.
        """
        project = Project(self.resolved.project_root)
        done: list[str] = []
        try:
            if project.holds_loaded(changed):
                await self._reload_api(project)
                done.append("API")
        finally:
            # Also when the API could not be loaded: it is the pages that show the mistake in the open browser.
            if self._placement is not None:
                done.append(await self._placement.reload(changed))
        return ", ".join(done)

    async def _reload_api(self, project: Project) -> None:
        with project.reimported():
            fresh = cast("FluxLit", load(self.target or self._find_target()))
            fresh.pages.validate(self.settings.api_mount_path)
            lifespan = Lifespan(fresh.api)
            await lifespan.start()
        await self._swap(fresh, lifespan)

    async def _swap(self, fresh: FluxLit, lifespan: Lifespan) -> None:
        old, self._lifespan, self.application = self._lifespan, lifespan, fresh
        self._gateway.api = self._api(fresh)
        pages = frozenset(record.path for record in fresh.pages)
        self._gateway.map = dataclasses.replace(self._gateway.map, pages=pages)
        if self._gate is not None:
            self._gate.rules = rules_of(fresh, self.settings)
            secure_openapi(fresh.api, self._authenticators, self.settings)
        try:
            await old.stop(self.settings.api_shutdown_timeout_s)
        except FluxLitError as error:
            logger.error("%s", error)  # noqa: TRY400  # the message says it all


class Refusal:
    """Stands for an application that cannot start, and says why when the server starts it.

    An exception in its place would be a traceback, or mean to the server that there is no lifespan; it would go on
    then, and serve nothing but errors.

    Args:
        error: why not.
    """

    def __init__(self, error: FluxLitError) -> None:
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "lifespan":
            raise self._error
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(self._error)})
