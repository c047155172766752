"""`Plan`: every value of the manifests and of the chart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import urlsplit

from fluxlit_deploy.description import IMPORT_S, WORKERS_STOP_S, Project
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.image import UID
from fluxlit_deploy.kubernetes.image import PLACEHOLDER_REGISTRY, Image, parse_image
from fluxlit_deploy.kubernetes.options import (
    TABLE,
    Affinity,
    ClusterTable,
    Metrics,
    Redis,
    Route,
    check_fit,
    cluster_table,
)
from fluxlit_deploy.options import Options, PathMode
from fluxlit_deploy.size import memory_mib, processes

_PLACEHOLDER_VERSION = "1.0.0"
_STARTUP_PERIOD_S = 2
_HTTP = 80
_HTTPS = 443

PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""RFC 1918 and RFC 4193. The pods' own network has no name that every cluster knows."""


@dataclass(frozen=True)
class Drain:
    """The times of a shutdown, in the order in which they pass.

    Attributes:
        pre_stop_s: Kubernetes waits before it sends SIGTERM; everything is served.
        delay_s: after SIGTERM everything is served, readiness is 503.
        graceful_s: open requests may finish.
        api_s: the API's own lifespan ends.
        end_s: the workers stop.
    """

    pre_stop_s: int
    delay_s: float
    graceful_s: float
    api_s: float
    end_s: float

    @property
    def least_grace_s(self) -> int:
        """Least ``terminationGracePeriodSeconds``, which begins with preStop."""
        return math.ceil(self.pre_stop_s + self.delay_s + self.graceful_s + self.api_s + self.end_s)


@dataclass(frozen=True)
class Plan:
    """Every value, named as in `Project` and `ClusterTable`.

    Attributes:
        login: there is a login, with a client secret.
        trusted_proxies: networks from which forwarding headers are accepted.
        egress_ports: ports besides HTTPS that the application may connect to.
        workers: number of Streamlit processes, or ``auto``.
        processes: the gateway and its workers.
        grace_period: seconds until SIGKILL.
        uid: number of the container's user.
    """

    name: str
    target: str
    image: Image
    host: str
    port: int
    root_path: str
    api: str
    route: Route
    gateway: str
    edge_namespace: str
    path_mode: PathMode
    redis: Redis
    redis_port: int
    login: bool
    trusted_proxies: tuple[str, ...]
    egress_ports: tuple[int, ...]
    affinity: Affinity
    workers: int | str
    processes: int
    replicas: int
    max_replicas: int
    sessions_per_replica: int
    sessions_metric: str
    metrics: Metrics
    metrics_port: int
    monitoring_namespace: str
    start_timeout_s: float
    drain: Drain
    grace_period: int
    uid: int = UID

    @property
    def grace_sum(self) -> str:
        """How the grace period came about, for a comment."""
        drain = self.drain
        parts = [
            (drain.pre_stop_s, "preStop"),
            (drain.delay_s, "drain delay"),
            (drain.graceful_s, "graceful timeout"),
            (drain.api_s, "API"),
        ]
        return f"{' + '.join(f'{seconds:g} s {name}' for seconds, name in parts)} + {drain.end_s:g} s to end"

    @property
    def startup_tries(self) -> int:
        """Failures of the startup probe until the container is restarted."""
        return math.ceil((self.start_timeout_s + IMPORT_S) / _STARTUP_PERIOD_S)

    @property
    def pre_stop_s(self) -> int:
        """Seconds of the preStop hook."""
        return self.drain.pre_stop_s

    @property
    def cpu_request(self) -> str:
        """A quarter of a processor for the gateway and for each worker."""
        return f"{250 * self.processes}m"

    @property
    def cpu_limit(self) -> str:
        """A processor for the gateway and for each worker."""
        return str(self.processes)

    @property
    def memory_request(self) -> str:
        """Memory of an idle gateway and of workers with some sessions."""
        return f"{memory_mib(self.processes)}Mi"

    @property
    def memory_limit(self) -> str:
        """Twice as much."""
        return f"{2 * memory_mib(self.processes)}Mi"


def make_plan(project: Project, options: Options) -> Plan:
    """Compute every value.

    Args:
        project: the application, with the decisions of ``[build.kubernetes]``.
        options: by default the route has the mode ``full`` with a root path and ``root`` without.

    Raises:
        DeployError: the decisions do not go together, or a given grace period is too short.
    """
    table = cluster_table(project.build.kubernetes)
    check_fit(project, table, options.path_mode)
    drain = Drain(
        table.pre_stop_s, project.drain_delay_s, project.graceful_timeout_s, project.api_end_s, WORKERS_STOP_S
    )
    return Plan(
        name=project.name,
        target=project.target,
        image=parse_image(table.image or f"{PLACEHOLDER_REGISTRY}/{project.name}:{_PLACEHOLDER_VERSION}"),
        host=table.host or f"{project.name}.example.com",
        port=project.port,
        root_path=project.root_path,
        api=project.api_path,
        route=table.route,
        gateway=table.gateway or ("gateway" if table.route == "gateway" else "traefik"),
        edge_namespace=table.edge_namespace,
        path_mode=options.path_mode or ("full" if project.root_path else "root"),
        redis=table.redis,
        redis_port=table.redis_port,
        login=project.login,
        trusted_proxies=tuple(table.trusted_proxies) or PRIVATE_NETWORKS,
        egress_ports=_egress_ports(project, table),
        affinity=table.affinity,
        workers=project.workers,
        processes=processes(project),
        replicas=table.replicas,
        max_replicas=table.max_replicas,
        sessions_per_replica=table.sessions_per_replica,
        sessions_metric=table.sessions_metric,
        metrics=table.metrics,
        metrics_port=table.metrics_port,
        monitoring_namespace=table.monitoring_namespace,
        start_timeout_s=float(project.settings.get("streamlit_start_timeout_s", 60.0)),
        drain=drain,
        grace_period=_grace(drain, table.grace_period_s),
    )


def _egress_ports(project: Project, table: ClusterTable) -> tuple[int, ...]:
    """Return the ports of the table and of the identity provider."""
    ports = {*table.egress_ports, *(_port(project.settings.get(name)) for name in ("oidc_issuer", "oidc_metadata_url"))}
    return tuple(sorted(ports - {_HTTPS}))


def _port(url: object) -> int:
    """Return the port of an address, that of HTTPS if it has none."""
    try:
        parts = urlsplit(str(url or ""))
        return parts.port or (_HTTP if parts.scheme == "http" else _HTTPS)
    except ValueError:
        return _HTTPS


def _grace(drain: Drain, wanted: int) -> int:
    if wanted == 0 or wanted >= drain.least_grace_s:
        return wanted or drain.least_grace_s
    raise DeployError(
        f"{TABLE}: grace_period_s = {wanted} is too short. {drain.pre_stop_s} s preStop, {drain.delay_s:g} s drain "
        f"delay, {drain.graceful_s:g} s for open requests, {drain.api_s:g} s for the API's lifespan and "
        f"{drain.end_s:g} s to end make {drain.least_grace_s} s; Kubernetes would kill requests that FluxLit still "
        f"wants to finish. Take the key out to have it computed, or lower uvicorn_graceful_shutdown_timeout_s."
    )
