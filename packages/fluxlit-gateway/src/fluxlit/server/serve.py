"""Running the runtime under uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn

from fluxlit._internal.asgi import Application
from fluxlit._internal.garbage_collection import collection_paused
from fluxlit._internal.peer import is_loopback
from fluxlit._internal.unfinished_messages import UnfinishedMessages
from fluxlit.errors import AddressInUseError, FluxLitError
from fluxlit.gateway import Trust
from fluxlit.observability import logs as fluxlit_logging
from fluxlit.pages.adoption import load_any
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.server.http.connection_caps import ConnectionCaps
from fluxlit.server.http.protocol import HttpProtocol
from fluxlit.server.http.request_head import HttpLimits
from fluxlit.server.pid_file import PidFile
from fluxlit.server.process import Process, Watch
from fluxlit.server.runtime import Runtime
from fluxlit.server.sockets.listeners import Listener, adopt, bind_file, bind_port, passed_by_systemd
from fluxlit.server.sockets.systemd import Notifier
from fluxlit.server.sockets.tls import Tls
from fluxlit.server.uvicorn_server import AsgiServer, server_config
from fluxlit.settings import Settings, resolve_target
from fluxlit.settings.provenance import Layer
from fluxlit.streamlit.log_routing import route_imported_logs
from fluxlit.supervisor.spawn import SpawnedProcess

logger = logging.getLogger("fluxlit")

OTHER_PORTS = 100
"""How many ports from the configured one on are tried during development."""

# Names of the routes that FastAPI adds itself.
_DOCUMENTATION = frozenset({"openapi", "swagger_ui_html", "swagger_ui_redirect", "redoc_html"})


@dataclass(frozen=True)
class Ready:
    """What there is to say once the application answers.

    Attributes:
        url: address of the UI.
        api_url: address of the API.
        docs_url: address of the API's documentation; empty if the API has none.
        seconds: how long the start took.
        network_url: address of the UI for other machines, where it listens on all addresses of this one; else empty.
        for_machines: what the process writes is read by a program, so nothing but lines of the log may be written.
        has_ui: there are pages.
        has_api: the API has routes of its own.
        adopted: what is served that is no FluxLit object, for people.
        busy_port: the configured port, which another process holds; `None` if the server listens on it.
    """

    url: str
    api_url: str
    docs_url: str
    seconds: float
    network_url: str = ""
    for_machines: bool = False
    has_ui: bool = True
    has_api: bool = True
    adopted: str = ""
    busy_port: int | None = None


def serve(
    target: str | None,
    flags: Mapping[str, object],
    *,
    on_ready: Callable[[Ready], None],
    watch: Watch | None = None,
    head_start: SpawnedProcess | None = None,
    started: float,
    development_login: bool = False,
) -> int:
    """Run an application until a signal stops it; see `fluxlit.server.launch`.

    Args:
        target: as `launch` has it, like the next three.
        flags: values of command-line options by name of the setting.
        on_ready: called once, when pages and API respond.
        watch: runs beside the server, with the runtime.
        head_start: a worker process that runs already.
        started: when the start began, in seconds of `time.monotonic`.
        development_login: replace the application's login by `DevelopmentLogin`; only with `watch`.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT.

    Raises:
        FluxLitError: the application cannot start.
    """
    flags = {**flags, "target": target}
    wanted = resolve_target(flags=flags)
    with collection_paused():
        loaded = load_any(wanted.target, wanted.directory)
    route_imported_logs()
    development = watch is not None
    if development_login:
        replace_login(loaded.application, development=development)
    runtime = Runtime(
        loaded.application, flags=flags, target=loaded.target, development=development, head_start=head_start
    )
    settings = runtime.settings
    fluxlit_logging.configure(settings)
    if loaded.warning:
        logger.warning("%s", loaded.warning)
    tls = transport_security(settings)
    other_port = development and runtime.resolved.sources["gateway_port"].layer is not Layer.FLAG
    with pid_file(settings), listening(settings, other_port=other_port) as listeners:
        config = configuration(runtime.asgi, settings, tls)
        server = AsgiServer(config)
        process = Process(runtime, server, listeners, tls=tls, notifier=Notifier(os.environ), watch=watch)
        report = ready(runtime, listeners[0], loaded.adopted)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            return runner.run(process.run(lambda: on_ready(report(time.monotonic() - started))))


def replace_login(application: AppDefinition, *, development: bool) -> None:
    """Let a developer choose the user instead of signing in.

    Raises:
        FluxLitError: this is no development, or the application has no login.
    """
    if not development:
        raise FluxLitError("--login signs in anyone without a password: it is for `fluxlit dev` only.")
    if not application.authenticators:
        raise FluxLitError(
            "--login replaces the application's login, and this application has none. Give it one: "
            "FluxLit(auth=OIDC.from_settings()), with OIDC of fluxlit_auth."
        )
    from fluxlit.server.development_login import DevelopmentLogin  # noqa: PLC0415  # never part of `fluxlit run`

    pages = application.pages
    application.authenticators = (DevelopmentLogin(lambda: {role for page in pages for role in page.roles}),)


def configuration(
    application: Application, settings: Settings, tls: Tls | None = None, *, limits: HttpLimits | None = None
) -> uvicorn.Config:
    """How uvicorn serves the application; `Lifecycle` runs the lifespans."""
    protocol = partial(
        HttpProtocol,
        limits=limits or HttpLimits(head=settings.gateway_max_request_head_bytes),
        caps=connection_caps(settings),
        unfinished=UnfinishedMessages.of(settings.gateway_ws_max_client_message_bytes),
    )
    return server_config(
        application,
        protocol,
        access_log=False,
        ws_max_size=settings.gateway_ws_max_client_message_bytes,
        ws_ping_interval=settings.gateway_ws_ping_interval_s,
        ws_ping_timeout=settings.gateway_ws_ping_timeout_s,
        ws_per_message_deflate=settings.gateway_ws_compression,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
        timeout_keep_alive=settings.gateway_keep_alive_timeout_s,
        timeout_graceful_shutdown=settings.uvicorn_graceful_shutdown_timeout_s,
    )


def connection_caps(settings: Settings) -> ConnectionCaps:
    """Connection limits; an edge has as many as all of its clients together."""
    trust = Trust.of(enabled=settings.trust_proxy, allowed=settings.forwarded_allow_ips)
    return ConnectionCaps(
        settings.gateway_max_connections,
        settings.gateway_max_connections_per_address,
        lambda address: not address or is_loopback(address) or trust.trusts(address),
    )


@contextlib.contextmanager
def listening(settings: Settings, *, other_port: bool = False) -> Iterator[list[Listener]]:
    """Listen where the settings say inside the block.

    Args:
        settings: the effective settings.
        other_port: take the next free port if the configured one is taken.

    Raises:
        AddressInUseError: another process listens there.
        FluxLitError: the address cannot be listened on.
    """
    if settings.gateway_fd is not None:
        found = [adopt(settings.gateway_fd)]
    elif settings.gateway_uds is not None:
        found = [bind_file(Path(settings.gateway_uds), int(settings.gateway_uds_mode, 8))]
    else:
        last = settings.gateway_port + (OTHER_PORTS if other_port else 0)
        ports = range(settings.gateway_port, min(last, 65_535) + 1)
        found = passed_by_systemd(os.environ) or [_bind_first(settings.gateway_host, ports)]
    try:
        yield found
    finally:
        for each in found:
            each.close()


def _bind_first(host: str, ports: range) -> Listener:
    """Listen on the first free port; the error is that of the first one."""
    for port in ports:
        with contextlib.suppress(AddressInUseError):
            return bind_port(host, port)
    return bind_port(host, ports[0])


@contextlib.contextmanager
def pid_file(settings: Settings) -> Iterator[None]:
    """Hold the pid file, if one is wanted.

    Raises:
        AlreadyRunningError: another server holds it.
        FluxLitError: it cannot be written.
    """
    held = PidFile(Path(settings.pidfile)) if settings.pidfile is not None else None
    try:
        yield
    finally:
        if held is not None:
            held.release()


def transport_security(settings: Settings) -> Tls | None:
    """The certificate that the settings name, if any.

    Raises:
        FluxLitError: it cannot be used.
    """
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise FluxLitError("tls_key is set, but tls_certificate is not: name the file of the certificate too.")
        return None
    return Tls(
        settings.tls_certificate, settings.tls_key or "", settings.tls_key_password or "", settings.tls_minimum_version
    )


def ready(runtime: Runtime, listener: Listener, adopted: str = "") -> Callable[[float], Ready]:
    """Prepare the report of a start; the seconds are filled in at its end."""
    settings, application = runtime.settings, runtime.application
    tls = settings.tls_certificate is not None
    base, reach = listener.origin(tls=tls), listener.reach(tls=tls)
    common = Ready("", "", "", 0.0, for_machines=settings.log_format == "json", adopted=adopted)
    if base.startswith("unix:"):
        return lambda seconds: dataclasses.replace(common, url=base, seconds=seconds)
    taken = settings.gateway_port and listener.socket.getsockname()[1] != settings.gateway_port
    base += settings.root_path
    docs = application.api.docs_url
    found = dataclasses.replace(
        common,
        url=f"{base}/",
        api_url=base + settings.api_mount_path,
        docs_url=base + settings.api_mount_path + docs if docs else "",
        network_url=f"{reach}{settings.root_path}/" if reach else "",
        has_ui=application.has_ui or settings.streamlit_mode == "external",
        has_api=any(getattr(route, "name", "") not in _DOCUMENTATION for route in application.api.routes),
        busy_port=settings.gateway_port if taken else None,
    )
    return lambda seconds: dataclasses.replace(found, seconds=seconds)
