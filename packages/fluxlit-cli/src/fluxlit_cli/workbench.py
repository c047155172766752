"""`fluxlit workbench`: an application behind the path proxy of a development platform.

Such a platform shows what listens on a port of a session under a path of its own:

=====================  ================================================================================================
Posit Workbench        `rserver-url -l PORT` prints the public URL; `RS_SERVER_URL` says that this is a session of it.
                       For port 8000 alone the same URL is in `UVICORN_ROOT_PATH`.
code-server, Coder     `VSCODE_PROXY_URI` is the public URL with `{{port}}` in it.
JupyterHub             `JUPYTERHUB_SERVICE_PREFIX` and `proxy/PORT/`, where jupyter-server-proxy is installed.
=====================  ================================================================================================
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fluxlit.errors import FluxLitError
from fluxlit_cli import output
from fluxlit_cli.head_start import early
from fluxlit_cli.options import with_settings
from fluxlit_cli.run import Target

if TYPE_CHECKING:
    from fluxlit.server.serve import Ready

RSERVER_URL = "/usr/lib/rstudio-server/bin/rserver-url"
UVICORN_PORT = 8000
TOOL_S = 10.0


class PlatformError(FluxLitError):
    """The platform does not say under which path an application is shown."""


@dataclass(frozen=True)
class Place:
    """Where browsers find the application.

    Attributes:
        platform: who shows it there; empty if nobody does.
        path: its public prefix, without a slash at the end.
        url: its whole address; empty if only the path is known.
    """

    platform: str
    path: str
    url: str = ""


@with_settings
def workbench(target: Target = None, *, flags: Mapping[str, object]) -> int:
    """Run an application behind the path proxy of Posit Workbench, code-server or JupyterHub.

    The public path is asked of the platform; the settings root_path and public_base_url go before. Forwarding headers
    of the platform's proxy are believed (trust_proxy), unless a setting says otherwise.
    """
    from fluxlit.server.launch import launch  # noqa: PLC0415  (heavy)
    from fluxlit.settings import Layer, resolve  # noqa: PLC0415  (heavy)

    resolved = resolve(flags=flags)
    settings = resolved.settings
    given = {name for name, source in resolved.sources.items() if source.layer is not Layer.DEFAULT}
    port = settings.gateway_port or free_port(settings.gateway_host)
    place = Place("your settings", settings.root_path, settings.public_base_url)
    if not given & {"root_path", "public_base_url"}:
        place = find(port, os.environ)
    found = {"root_path": place.path, "public_base_url": place.url, "trust_proxy": True}
    chosen = {name: str(value) for name, value in found.items() if value and name not in given}

    def announce(ready: Ready) -> None:
        banner(ready, place)

    return launch(target, {**chosen, **flags, "gateway_port": str(port)}, on_ready=announce, head_start=early())


def find(port: int, environ: Mapping[str, str]) -> Place:
    """Where the platform shows what listens on a port.

    Raises:
        PlatformError: there is a platform, but it does not tell.
    """
    if environ.get("RS_SERVER_URL"):
        return _posit(port, environ)
    if template := environ.get("VSCODE_PROXY_URI"):
        return placed("code-server", template.replace("{{port}}", str(port)))
    if prefix := environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        own = environ.get("JUPYTERHUB_PUBLIC_URL") or prefix
        return placed("JupyterHub", f"{own.rstrip('/')}/proxy/{port}/")
    return Place("", "")


def placed(platform: str, told: str) -> Place:
    """The place that a platform has told of: a URL, or a path alone.

    Raises:
        PlatformError: it is neither.
    """
    parts = urlsplit(told.strip())
    path = parts.path.rstrip("/")
    if parts.scheme in {"http", "https"} and parts.hostname:
        return Place(platform, path, f"{parts.scheme}://{parts.netloc}{path}")
    if not parts.scheme and not parts.netloc and path.startswith("/"):
        return Place(platform, path)
    raise PlatformError(f"{platform} says that the application is shown at {told.strip()!r}, which is no URL.")


def _posit(port: int, environ: Mapping[str, str]) -> Place:
    tool = shutil.which("rserver-url", path=environ.get("PATH")) or shutil.which(RSERVER_URL)
    if tool is not None:
        return placed("Posit Workbench", _ask(tool, port))
    if port == UVICORN_PORT and (told := environ.get("UVICORN_ROOT_PATH")):
        return placed("Posit Workbench", told)
    raise PlatformError(
        f"This is a session of Posit Workbench (RS_SERVER_URL is set), but its tool {RSERVER_URL}, which knows the "
        f"public URL of port {port}, is not here. Give the URL yourself: --public-base-url URL --root-path PATH."
    )


def _ask(tool: str, port: int) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (the platform's own tool)
            [tool, "-l", str(port)], capture_output=True, text=True, timeout=TOOL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformError(f"{tool} cannot be run: {error}.") from None
    if done.returncode or not done.stdout.strip():
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise PlatformError(f"{tool} -l {port} does not say where port {port} is shown: {said}")
    return done.stdout


def free_port(host: str) -> int:
    """A port that nobody listens on: the platform has to be asked about it before it is used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def banner(ready: Ready, place: Place) -> None:
    """Say where the application is, here and for browsers."""
    head = output.paint("FluxLit is ready", "green")
    output.note(f"{head} ({ready.seconds:.1f} s)" + (f", shown by {place.platform}" if place.platform else ""))
    if not place.platform:
        output.note("  No path proxy was found: neither RS_SERVER_URL, VSCODE_PROXY_URI nor JUPYTERHUB_SERVICE_PREFIX")
        output.note("  is set. Give its path by --root-path if there is one.")
    public = f"{place.url}/" if place.url else f"{place.path}/ on the platform's own address" if place.path else ""
    rows = {"Browser": public, "Here": ready.url, "Health": f"{ready.api_url}/healthz", "API docs": ready.docs_url}
    for name, url in rows.items():
        if url:
            output.note(f"  {name:<9} {output.paint(url, 'bold')}")
