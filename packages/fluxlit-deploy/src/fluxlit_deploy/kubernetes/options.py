"""`ClusterTable`: ``[build.kubernetes]`` of the project file."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from fluxlit_deploy.description import Project
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.kubernetes.image import parse_image
from fluxlit_deploy.options import PathMode

Route = Literal["gateway", "ingress"]
Redis = Literal["url", "operator", "none"]
Affinity = Literal["none", "traefik", "haproxy", "envoy-gateway", "istio"]
Metrics = Literal["none", "annotations", "pod-monitor"]

TABLE = "[build.kubernetes]"

SESSIONS_METRIC = "fluxlit_sessions"
"""FluxLit's own gauge of the sessions of each worker."""

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class ClusterTable:
    """What a person decides about a cluster.

    Attributes:
        image: the application's image with version or digest; by default a placeholder that ``--check`` points at.
        host: name under which browsers know the application; by default a placeholder as well.
        route: ``gateway`` writes an HTTPRoute of the Gateway API, ``ingress`` an Ingress without annotations.
        gateway: name of the Gateway, or of the IngressClass.
        edge_namespace: where the edge's pods run; only they may connect.
        redis: ``url`` takes the session store's address from the Secret, ``operator`` has one made, ``none`` has none.
        redis_port: port of the store behind that address.
        affinity: the implementation that keeps a browser on its replica by a cookie.
        replicas: least number of replicas.
        max_replicas: largest number of replicas.
        sessions_per_replica: sessions above which replicas are added; 0 looks at the processors only.
        sessions_metric: name of the custom metric that counts the sessions of a replica.
        trusted_proxies: networks of the edge's pods, from which forwarding headers are accepted; by default every
            private network, as only the NetworkPolicy knows where the edge runs.
        egress_ports: ports that the application may connect to besides HTTPS, that of a database for instance.
        metrics: how Prometheus finds the metrics of each replica: by ``annotations`` of the pods, by a
            ``pod-monitor`` of its operator, or ``none``, and then there is no port for them.
        metrics_port: port of the metrics.
        monitoring_namespace: where Prometheus runs; only its pods may read the metrics.
        pre_stop_s: seconds that a replica goes on serving while the edges learn that it leaves.
        grace_period_s: seconds until SIGKILL; 0 computes them from the drain settings.
    """

    image: str = ""
    host: str = ""
    route: Route = "gateway"
    gateway: str = ""
    edge_namespace: str = "gateway"
    redis: Redis = "url"
    redis_port: int = 6379
    trusted_proxies: Sequence[str] = ()
    egress_ports: Sequence[int] = ()
    affinity: Affinity = "none"
    replicas: int = 2
    max_replicas: int = 10
    sessions_per_replica: int = 0
    sessions_metric: str = SESSIONS_METRIC
    metrics: Metrics = "none"
    metrics_port: int = 9100
    monitoring_namespace: str = "monitoring"
    pre_stop_s: int = 10
    grace_period_s: int = 0


_CHOICES = {
    "route": get_args(Route),
    "redis": get_args(Redis),
    "affinity": get_args(Affinity),
    "metrics": get_args(Metrics),
}
_BOUNDS = {
    "redis_port": (1, 65535),
    "metrics_port": (1024, 65535),
    "replicas": (2, 1000),
    "max_replicas": (2, 1000),
    "sessions_per_replica": (0, 1_000_000),
    "pre_stop_s": (0, 300),
    "grace_period_s": (0, 86_400),
}


def cluster_table(values: Mapping[str, Any]) -> ClusterTable:
    """Read the table.

    Args:
        values: its keys and values, unchecked.

    Raises:
        DeployError: something in it is wrong; all of it is named.
    """
    if found := [complaint for key, value in values.items() if (complaint := _complaint(key, value))]:
        raise DeployError("\n".join(f"{TABLE} of the project file: {complaint}" for complaint in found))
    return ClusterTable(**values)


def check_fit(project: Project, table: ClusterTable, path_mode: PathMode | None) -> None:
    """Refuse decisions that do not go together, or not with the project.

    Raises:
        DeployError: some do not; all of them are named.
    """
    checks: tuple[list[str], ...] = (
        _replicas(table),
        _paths(project, table, path_mode),
        _affinity(table),
        _stores(project, table),
        _metrics(project, table),
    )
    if found := [complaint for complaints in checks for complaint in complaints]:
        raise DeployError("\n".join(found))


def _complaint(key: str, value: object) -> str | None:
    names = [field.name for field in fields(ClusterTable)]
    if key not in names:
        close = difflib.get_close_matches(key, names, n=1)
        return f"unknown key {key}; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}.")
    if key in _CHOICES:
        return None if value in _CHOICES[key] else f"{key} must be one of {', '.join(_CHOICES[key])}, not {value!r}."
    if key in _BOUNDS:
        return _number(key, value)
    if key in _LISTS:
        fine, what = _LISTS[key]
        return None if isinstance(value, list) and all(map(fine, value)) else f"{key} must be a list of {what}."
    if not isinstance(value, str):
        return f"{key} must be a string, not {value!r}."
    return _TEXTS[key](key, value) if value else None


def _number(key: str, value: object) -> str | None:
    low, high = _BOUNDS[key]
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return None
    why = " With one replica, each roll-out and each drained node is an outage." if key == "replicas" else ""
    return f"{key} must be a whole number from {low} to {high}, not {value!r}.{why}"


def _image(_key: str, value: str) -> str | None:
    try:
        parse_image(value)
    except DeployError as error:
        return str(error)
    return None


def _host(key: str, value: str) -> str | None:
    if _HOST.fullmatch(value):
        return None
    return f'{key} is "{value}", which is no host name: write it without scheme and path, as in app.example.com.'


def _label(key: str, value: str) -> str | None:
    if _LABEL.fullmatch(value):
        return None
    return f'{key} is "{value}", which is no name in Kubernetes: use lower-case letters, digits and hyphens.'


def _metric(key: str, value: str) -> str | None:
    return None if _METRIC.fullmatch(value) else f'{key} is "{value}", which is no name of a metric in Prometheus.'


def _is_network(value: object) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_network(value).prefixlen > 0
    except ValueError:
        return False


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


_LISTS: dict[str, tuple[Callable[[object], bool], str]] = {
    "trusted_proxies": (_is_network, 'networks, such as ["10.244.0.0/16"]'),
    "egress_ports": (_is_port, "ports, such as [5432]"),
}
_TEXTS: dict[str, Callable[[str, str], str | None]] = {
    "image": _image,
    "host": _host,
    "gateway": _label,
    "edge_namespace": _label,
    "monitoring_namespace": _label,
    "sessions_metric": _metric,
}


def _replicas(table: ClusterTable) -> list[str]:
    if table.max_replicas >= table.replicas:
        return []
    return [f"{TABLE}: max_replicas, {table.max_replicas}, is below replicas, {table.replicas}. Raise it."]


def _paths(project: Project, table: ClusterTable, path_mode: PathMode | None) -> list[str]:
    if path_mode in {"strip", "full"} and not project.root_path:
        return [
            (
                f"--path-mode {path_mode} needs a prefix, but root_path is empty: "
                f"set root_path in the project file, or use --path-mode root."
            )
        ]
    if path_mode == "root" and project.root_path:
        return [
            (
                f'--path-mode root serves the application at "/", but root_path is "{project.root_path}": '
                f"use --path-mode full or strip, or take root_path out of the project file."
            )
        ]
    if path_mode == "strip" and table.route == "ingress":
        return [
            (
                "--path-mode strip is not possible with a plain Ingress, which cannot rewrite: use --path-mode full. "
                "FluxLit removes the prefix itself."
            )
        ]
    return []


def _affinity(table: ClusterTable) -> list[str]:
    if table.affinity == "envoy-gateway" and table.route == "ingress":
        return [f'{TABLE}: affinity = "envoy-gateway" attaches to an HTTPRoute: set route = "gateway".']
    if table.affinity == "haproxy" and table.route == "gateway":
        return [f'{TABLE}: affinity = "haproxy" is understood by its Ingress controller: set route = "ingress".']
    return []


def _metrics(project: Project, table: ClusterTable) -> list[str]:
    found = []
    if table.metrics == "none" and table.sessions_per_replica and table.sessions_metric == SESSIONS_METRIC:
        found.append(
            f"{TABLE}: sessions_per_replica needs {SESSIONS_METRIC}, which is not collected: set metrics = "
            f'"pod-monitor" or "annotations", or name the metric that your monitoring has in sessions_metric.'
        )
    if table.metrics != "none" and table.metrics_port == project.port:
        found.append(f"{TABLE}: metrics_port, {table.metrics_port}, is the application's own port. Choose another.")
    return found


def _stores(project: Project, table: ClusterTable) -> list[str]:
    scheme = (project.session_store or "").partition(":")[0]
    if table.redis == "none" and scheme in {"sqlite", "memory"}:
        return [
            (
                f'session_store is "{scheme}:", which {table.replicas} replicas do not share: a visitor would lose the '
                f'session with each move. Set redis = "url" or redis = "operator" in {TABLE}.'
            )
        ]
    return []
