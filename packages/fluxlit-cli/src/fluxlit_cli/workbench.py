"""`fluxlit workbench`: run behind the proxy of a development platform.

Such a platform forwards a path to a port of the session:

=====================  ================================================================================================
Posit Workbench        `rserver-url -l PORT` prints the public URL; `RS_SERVER_URL` is set in its sessions.
                       For port 8000 only, `UVICORN_ROOT_PATH` has the same URL.
code-server, Coder     `VSCODE_PROXY_URI` is the public URL with `{{port}}` in it.
JupyterHub             `JUPYTERHUB_SERVICE_PREFIX` and `proxy/PORT/`, where jupyter-server-proxy is installed.
=====================  ================================================================================================
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import nullcontext
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
    """The platform does not report the public path of the application."""


@dataclass(frozen=True)
class PublicAddress:
    """The public address of the application.

    Attributes:
        platform: name of the platform; empty without one.
        path: public prefix, without a slash at the end.
        url: full URL; empty if only the path is known.
    """

    platform: str
    path: str
    url: str = ""

    def __str__(self) -> str:
        if self.url:
            return f"{self.url}/"
        return f"{self.path}/ at the address of the platform" if self.path else ""


@with_settings
def workbench(target: Target = None, *, flags: Mapping[str, object]) -> int:
    """Run behind Posit Workbench, code-server or JupyterHub.

    The platform reports the public path; the settings root_path and public_base_url take precedence. Forwarding
    headers of the platform's proxy are trusted (trust_proxy) unless a setting turns that off.
    """
    from fluxlit.server.launch import launch  # noqa: PLC0415  (heavy)
    from fluxlit.server.sockets.listeners import reserved_port  # noqa: PLC0415  (heavy)
    from fluxlit.settings import Layer, resolve  # noqa: PLC0415  (heavy)

    resolved = resolve(flags=flags)
    settings = resolved.settings
    given = {name for name, source in resolved.sources.items() if source.layer is not Layer.DEFAULT}
    # The platform is asked for the address of a port before anything listens on it.
    with nullcontext(settings.gateway_port) if settings.gateway_port else reserved_port(settings.gateway_host) as port:
        address = PublicAddress("your settings", settings.root_path, settings.public_base_url)
        if not given & {"root_path", "public_base_url"}:
            address = find(port, os.environ)
        found = {"root_path": address.path, "public_base_url": address.url, "trust_proxy": True}
        chosen = {name: str(value) for name, value in found.items() if value and name not in given}

        def announce(ready: Ready) -> None:
            banner(ready, address)

        return launch(target, {**chosen, **flags, "gateway_port": str(port)}, on_ready=announce, head_start=early())


def find(port: int, environ: Mapping[str, str]) -> PublicAddress:
    """Return the public address of a port.

    Raises:
        PlatformError: the platform does not report it.
    """
    if environ.get("RS_SERVER_URL"):
        return _posit(port, environ)
    if template := environ.get("VSCODE_PROXY_URI"):
        return parse_address("code-server", template.replace("{{port}}", str(port)))
    if prefix := environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        own = environ.get("JUPYTERHUB_PUBLIC_URL") or prefix
        return parse_address("JupyterHub", f"{own.rstrip('/')}/proxy/{port}/")
    return PublicAddress("", "")


def parse_address(platform: str, reported: str) -> PublicAddress:
    """Parse the URL or path that a platform reports.

    Raises:
        PlatformError: it is neither.
    """
    parts = urlsplit(reported.strip())
    path = parts.path.rstrip("/")
    if parts.scheme in {"http", "https"} and parts.hostname:
        return PublicAddress(platform, path, f"{parts.scheme}://{parts.netloc}{path}")
    if not parts.scheme and not parts.netloc and path.startswith("/"):
        return PublicAddress(platform, path)
    raise PlatformError(f"{platform} reports {reported.strip()!r}, which is not a URL.")


def _posit(port: int, environ: Mapping[str, str]) -> PublicAddress:
    tool = shutil.which("rserver-url", path=environ.get("PATH")) or shutil.which(RSERVER_URL)
    if tool is not None:
        return parse_address("Posit Workbench", _run_tool(tool, port))
    if port == UVICORN_PORT and (reported := environ.get("UVICORN_ROOT_PATH")):
        return parse_address("Posit Workbench", reported)
    raise PlatformError(
        f"This is a session of Posit Workbench (RS_SERVER_URL is set), but its tool {RSERVER_URL}, which prints the "
        f"public URL of port {port}, is missing. Set the URL yourself: --public-base-url URL --root-path PATH."
    )


def _run_tool(tool: str, port: int) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (the platform's own tool)
            [tool, "-l", str(port)], capture_output=True, text=True, timeout=TOOL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformError(f"{tool} cannot be run: {error}.") from None
    if done.returncode or not done.stdout.strip():
        reason = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise PlatformError(f"{tool} -l {port} does not report the URL of port {port}: {reason}")
    return done.stdout


def banner(ready: Ready, address: PublicAddress) -> None:
    """Print the local and the public address of the application."""
    head = output.paint("FluxLit is ready", "green")
    origin = f", public address from {address.platform}" if address.platform else ""
    output.note(f"{head} ({ready.seconds:.1f} s){origin}")
    if not address.platform:
        output.note("  No path proxy found: none of RS_SERVER_URL, VSCODE_PROXY_URI, JUPYTERHUB_SERVICE_PREFIX")
        output.note("  is set. If there is one, set its path with --root-path.")
    health = f"{ready.api_url}/healthz"
    rows = {"Browser": str(address), "Here": ready.url, "Health": health, "API docs": ready.docs_url}
    for name, url in rows.items():
        if url:
            output.note(f"  {name:<9} {output.paint(url, 'bold')}")
