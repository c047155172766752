"""``[build.edge]`` of the project file, and the plan of an edge."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from fluxlit_deploy.description import Project
from fluxlit_deploy.edges.plan import UPLOAD_MB, EdgePlan
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.options import Edge, Options, PathMode

TABLE = "[build.edge]"

_UPSTREAM = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?:[1-9]\d{0,4}|\[[0-9a-fA-F:]+\]:[1-9]\d{0,4}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
# What no configuration language takes for anything but a part of a path.
_FILE = re.compile(r"[A-Za-z0-9/._-]+")


def edge_plan(project: Project, options: Options) -> EdgePlan:
    """Compute the plan of the edge that the options name.

    Raises:
        DeployError: the table is wrong, or the path mode does not fit the root path.
    """
    if options.edge is None:
        raise DeployError("No edge was named.")
    table = edge_table(project.build.edge)
    engine: Edge = options.edge
    mode = _mode(project, options.path_mode)
    tls = table.get("tls", False)
    host = table.get("host", "")
    # Caddy gets certificates itself for a name that is public.
    own = not (engine == "caddy" and host and "certificate" not in table)
    return EdgePlan(
        engine=engine,
        mode=mode,
        upstreams=tuple(table.get("upstreams", [f"127.0.0.1:{project.port}"])),
        address="",
        port=str(table.get("port", 443 if tls else 80)),
        prefix=project.root_path,
        prefix_example=project.root_path,
        host=host,
        tls=tls,
        certificate=table.get("certificate", _certificate(engine)) if tls and own else "",
        key=table.get("key", "/etc/ssl/private/edge.key") if tls and own else "",
        affinity=table.get("affinity", False),
        upload_mb=max(UPLOAD_MB, int(_streamlit(project).get("server.maxUploadSize", UPLOAD_MB))),
        readiness=f"{project.api_path}/readyz",
    )


def _certificate(engine: Edge) -> str:
    # HAProxy wants certificate and key in one file.
    return "/etc/haproxy/edge.pem" if engine == "haproxy" else "/etc/ssl/certs/edge.crt"


def _streamlit(project: Project) -> Mapping[str, Any]:
    found = project.settings.get("streamlit_options")
    return found if isinstance(found, dict) else {}


def _mode(project: Project, wanted: PathMode | None) -> PathMode:
    if wanted in {"strip", "full"} and not project.root_path:
        raise DeployError(
            f"--path-mode {wanted} needs a prefix, but root_path is empty: set root_path in the project file, "
            f"or use --path-mode root."
        )
    if wanted == "root" and project.root_path:
        raise DeployError(
            f'--path-mode root serves the application at "/", but root_path is "{project.root_path}": use --path-mode '
            f"strip or full, or take root_path out of the project file."
        )
    return wanted or ("strip" if project.root_path else "root")


def edge_table(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check the table.

    Args:
        values: its keys and values, unchecked.

    Raises:
        DeployError: something in it is wrong; all of it is named.
    """
    found = [complaint for key, value in values.items() if (complaint := _complaint(key, value))]
    if values.get("tls") is not True and {"certificate", "key"} & set(values):
        found.append("certificate and key are of no use without tls = true.")
    if found:
        raise DeployError("\n".join(f"{TABLE} of the project file: {complaint}" for complaint in found))
    return values


def _complaint(key: str, value: object) -> str | None:
    if key not in _KEYS:
        close = difflib.get_close_matches(key, _KEYS, n=1)
        return f"unknown key {key}; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(_KEYS)}.")
    fine, wanted = _KEYS[key]
    return None if fine(value) else f"{key} must be {wanted}, not {value!r}."


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def _is_upstreams(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, str) and _UPSTREAM.fullmatch(each) for each in value)
    )


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_KEYS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "upstreams": (_is_upstreams, 'a list of addresses, such as ["10.0.0.1:8000", "10.0.0.2:8000"]'),
    "port": (_is_port, "a port from 1 to 65535"),
    "host": (_matches(_HOST), "a host name without scheme and path, such as app.example.com"),
    "tls": (_is_flag, "true or false"),
    "certificate": (_matches(_FILE), "the path of a file"),
    "key": (_matches(_FILE), "the path of a file"),
    "affinity": (_is_flag, "true or false"),
}
