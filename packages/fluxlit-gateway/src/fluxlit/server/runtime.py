"""Construction of one server: settings resolved, parts made and wired."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

from fluxlit import sessions
from fluxlit._internal.asgi import Application
from fluxlit.backends import Readiness
from fluxlit.gateway import Assets, Gateway, OriginPolicy, RouteTable, SecurityHeaders, Trust, closed_prefixes
from fluxlit.observability.access_log import AccessLog
from fluxlit.observability.middleware import ObservabilityMiddleware
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.server.adopted_api import documentation_paths, yields_mount
from fluxlit.server.api import Api
from fluxlit.server.asgi import AsgiApplication
from fluxlit.server.authentication import build_auth, secure_openapi
from fluxlit.server.lifecycle import Lifecycle, Parts
from fluxlit.server.look import read_look
from fluxlit.server.page_calls import PageCalls
from fluxlit.server.reload import Reloader
from fluxlit.server.ui import Ui, find_target
from fluxlit.settings import Resolved, Settings, resolve
from fluxlit.supervisor.spawn import SpawnedProcess
from fluxlit.urls import PublicAddress


class Runtime:
    """A FluxLit application with its settings resolved, ready to be served.

    Args:
        application: the FluxLit object.
        flags: values of command-line options by name of the setting.
        target: where workers import the application from; by default found.
        development: code may be reloaded.
        head_start: a worker process that was started already; ended if it is not needed.

    Attributes:
        resolved: the effective settings and where each came from.
        settings: the effective settings.
        target: where workers import the application from, if the caller knows it.
        lifecycle: starts and stops everything.
        reloader: takes over changed source files.
        asgi: the ASGI application.

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
        head_start: SpawnedProcess | None = None,
    ) -> None:
        app = cast("AppDefinition", application)
        self.resolved: Resolved = resolve(flags=flags or {}, arguments=app.setting_arguments)
        self.settings: Settings = self.resolved.settings
        self.target = target
        _validate(app, self.settings)
        where = partial(find_target, app, target, flags or {})
        auth = build_auth(app, self.settings)
        secure_openapi(app.api, app.authenticators, self.settings)
        address = PublicAddress(self.settings)
        self._api = Api(
            app,
            self.resolved,
            auth,
            address,
            find_target=where,
            traced=partial(self._traced, "to the API"),
            development=development,
        )
        self._ui = ui = Ui(
            app,
            self.resolved,
            find_target=where,
            login=auth is not None,
            development=development,
            head_start=head_start,
        )
        assets = _assets(ui, self.settings)
        gateway = Gateway(
            routes=_routes(app, self.settings, assets),
            assets=assets,
            api=self._api.public,
            ui=self._traced("to the UI", ui) if ui.enabled else None,
            readiness=lambda: both(self._api.readiness(), ui.readiness()),
            root_path=self.settings.root_path,
            trust=self._trust,
            origins=OriginPolicy.of(self.settings.allowed_origins, self.settings.public_base_url),
            guard=None if auth is None else auth.admit,
            embeddable=not (self.settings.enable_security_headers and self.settings.frame_options),
        )
        log = AccessLog(
            gateway=self.settings.enable_gateway_access_log, api=self.settings.enable_request_logging or development
        )
        observed = ObservabilityMiddleware(
            self._traced("gateway", gateway), log=log, headers=SecurityHeaders(self.settings)
        )
        parts = Parts(
            gateway=gateway,
            auth=auth,
            api=self._api,
            # Pages reach the API past the gateway, and are counted and logged as other clients are.
            page_calls=PageCalls(
                ObservabilityMiddleware(
                    self._traced("call of a page", self._api.serve_page), log=log, traffic=observed.traffic
                ),
                address,
                self._trust,
            ),
            ui=ui,
            counters=observed.traffic,
            address=address,
            assets=assets,
        )
        self.lifecycle = Lifecycle(parts, self.resolved, target or "")
        self.reloader = Reloader(parts, self.settings, self.resolved.project_root, where)
        look = read_look(self.settings, self.resolved.project_root)
        self.asgi = AsgiApplication(observed, self._api, self.lifecycle, self.settings, look)

    async def roll(self) -> str:
        """Replace all workers one by one, with no request failing.

        Returns:
            One line about what was done.

        Raises:
            FluxLitError: a fresh worker cannot start; those that were not replaced yet go on.
        """
        if self._api.workers is None:
            return await self._ui.roll()
        done = [f"API: {await self._api.workers.roll()}"]
        if self._ui.enabled:
            done.append(f"UI: {await self._ui.roll()}")
        return "; ".join(done)

    @property
    def application(self) -> AppDefinition:
        """The FluxLit object in force; a reload replaces it."""
        return self._api.application

    @property
    def _trust(self) -> Trust:
        return Trust.of(enabled=self.settings.trust_proxy, allowed=self.settings.forwarded_allow_ips)

    def _traced(self, hop: str, application: Application) -> Application:
        """Put a span around each request, if tracing is on.

        Raises:
            FluxLitError: it is on, and OpenTelemetry is not installed.
        """
        if not self.settings.enable_tracing:
            return application
        from fluxlit.observability import tracing  # noqa: PLC0415  # needs a library of the extra "telemetry"

        return tracing.HOPS[hop](application, self._trust.trusts)


def _validate(application: AppDefinition, settings: Settings) -> None:
    """Check pages against the resolved settings."""
    application.pages.validate(settings.api_mount_path)
    if settings.session_store is None:
        application.pages.require_session_store(sessions.NO_STORE)


def _routes(application: AppDefinition, settings: Settings, assets: Assets | None) -> RouteTable:
    closed = closed_prefixes(settings.streamlit_open_routes)
    docs = documentation_paths(application, settings)
    yields = yields_mount(application, settings)
    return RouteTable(settings.api_mount_path, closed, docs, assets=assets is not None, api_yields=yields)


def _assets(ui: Ui, settings: Settings) -> Assets | None:
    # An external Streamlit may be of another version, with other files.
    return Assets.of_streamlit() if ui.enabled and settings.streamlit_mode != "external" else None


def both(api: Readiness, ui: Readiness) -> Readiness:
    """The readiness of an application with both halves."""
    return ui if api.ready else api
