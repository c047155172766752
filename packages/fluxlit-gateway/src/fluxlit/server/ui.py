"""The UI half of the application, in the backend that the settings choose."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.slow_steps import log_if_slow
from fluxlit.backends import NO_WORKERS, Backend, Readiness, UiFacts, build_backend
from fluxlit.errors import FluxLitError, TargetError
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.server.adopted_api import yields_mount
from fluxlit.server.api import NOT_STARTED
from fluxlit.server.run_directory import RunDirectory
from fluxlit.server.sockets.internal_server import PrivateServer
from fluxlit.server.sockets.listeners import bind_file
from fluxlit.settings import Resolved, ResolvedTarget, resolve_target
from fluxlit.settings.target import DEFAULT_TARGET, load, locate
from fluxlit.supervisor.spawn import SpawnedProcess

NO_UI = Readiness(ready=True, detail="the application has no pages")


class Ui:
    """The UI: its backend, and the socket on which pages call the API.

    Args:
        application: the FluxLit object.
        resolved: the effective settings.
        find_target: where workers import the application from; called at start.
        login: the application has a login.
        development: code may be reloaded.
        head_start: a worker process that runs already; ended here if it is not needed.

    Attributes:
        enabled: there are pages, a script, or an external Streamlit.
        backend: where it runs; `None` while the server is not started.
    """

    def __init__(
        self,
        application: AppDefinition,
        resolved: Resolved,
        *,
        find_target: Callable[[], str],
        login: bool = False,
        development: bool = False,
        head_start: SpawnedProcess | None = None,
    ) -> None:
        mode = resolved.settings.streamlit_mode
        self.enabled = application.has_ui or mode == "external"
        self.backend: Backend | None = None
        self._application = application
        self._resolved = resolved
        self._find_target = find_target
        self._login = login
        self._development = development
        self._head_start = head_start
        if head_start is not None and not (self.enabled and mode == "workers"):
            head_start.discard()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one ASGI scope."""
        if self.backend is None:
            raise FluxLitError(NOT_STARTED.detail)
        return self.backend(scope, receive, send)

    def readiness(self) -> Readiness:
        """Whether the UI can serve now; performs no I/O."""
        if not self.enabled:
            return NO_UI
        return NOT_STARTED if self.backend is None else self.backend.readiness()

    def build(self, directory: RunDirectory) -> Backend:
        """Make the backend, without starting it.

        Raises:
            FluxLitError: settings or target are wrong.
        """
        self.backend = build_backend(self._facts(directory), self._resolved)
        return self.backend

    @contextlib.asynccontextmanager
    async def running(
        self, directory: RunDirectory, api: Application, stop_timeout_s: Callable[[], float]
    ) -> AsyncIterator[None]:
        """Run the backend that `build` made, and the socket for page calls.

        Args:
            directory: for the sockets.
            api: what pages call.
            stop_timeout_s: seconds that the backend may take to stop; asked at that time.

        Raises:
            FluxLitError: it cannot start.
        """
        assert self.backend is not None
        settings = self._resolved.settings
        listener = bind_file(Path(directory.socket("api")), 0o600)
        internal = PrivateServer(api, [listener])
        try:
            await internal.start()
            try:
                async with log_if_slow(f"Streamlit ({settings.streamlit_mode})"):
                    await self.backend.start()
                yield
            finally:
                await self.backend.stop(stop_timeout_s())
        finally:
            await internal.stop()
            listener.close()

    async def roll(self) -> str:
        """Replace the workers one by one, with no request failing.

        Returns:
            One line about what was done.

        Raises:
            FluxLitError: a fresh worker cannot start; those that were not replaced yet go on.
        """
        return NO_WORKERS if self.backend is None else await self.backend.roll()

    def _facts(self, directory: RunDirectory) -> UiFacts:
        settings, application = self._resolved.settings, self._application
        public = urlsplit(settings.public_base_url)
        imported = settings.streamlit_mode == "workers" and application.ui_script is None
        return UiFacts(
            app=application,
            target=self._find_target() if imported else None,
            script=application.ui_script,
            hidden_page="" if yields_mount(application, settings) else settings.api_mount_path,
            run_directory=directory.path,
            api_socket=Path(directory.socket("api")),
            api_base_url=f"http://localhost{settings.root_path}{settings.api_mount_path}",
            login=self._login,
            public_host=public.hostname or "localhost",
            public_port=public.port or (443 if public.scheme == "https" else settings.gateway_port),
            development=self._development,
            head_start=self._head_start,
        )


def _refuse_another(application: AppDefinition, known: str, served: str, resolved: ResolvedTarget) -> None:
    """Fail if the target names another object than the one that is served.

    Raises:
        TargetError: it does; the API would be of one application and the pages of another.
    """
    if load(known, resolved.directory) is not application:
        where = resolved.source.where if resolved.target is not None else "FluxLit(import_target=...)"
        raise TargetError(
            known,
            f"{where} names {known}, but the server runs another FluxLit object, {served}: the pages would be of one "
            f"and the API of the other. Remove {where}, or name {served}.",
        )


def find_target(application: AppDefinition, target: str | None, flags: Mapping[str, object]) -> str:
    """Return where workers import the application from.

    The order is that of docs/reference/settings.md.

    Args:
        application: the FluxLit object.
        target: what the caller was given; `None` for nothing.
        flags: values of command-line options by name of the setting.

    Raises:
        TargetError: no module holds the object.
    """
    if target is not None:
        return target
    resolved, found = resolve_target(flags=flags), locate(application)
    known = resolved.target or application.import_target
    if known is not None:
        if found is not None and known != str(found):
            _refuse_another(application, known, str(found), resolved)
        return known
    if found is not None:
        return str(found)
    main = sys.modules["__main__"]
    name = next((name for name, value in vars(main).items() if value is application), None)
    if name is not None and (file := getattr(main, "__file__", None)):
        raise TargetError(
            DEFAULT_TARGET,
            f"A worker process cannot import the FluxLit object of the main program. Start it with "
            f"`fluxlit run {Path(file).name}`, or by its name: uvicorn.run('{Path(file).stem}:{name}').",
        )
    raise TargetError(
        DEFAULT_TARGET,
        "The FluxLit object is in no module that a worker process could import. Create it at the top level of a "
        "module, or name it: FluxLit(import_target='module:attribute').",
    )
