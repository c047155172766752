"""`fluxlit healthcheck`: the health probe of containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from fluxlit_cli import exit_codes, output
from fluxlit_cli.local_client import NoResponseError, Response, get

if TYPE_CHECKING:
    from fluxlit.server.registry import Server

Live = Annotated[
    bool,
    typer.Option("--live", help="Query healthz (the process is alive) instead of readyz (pages are served)."),
]
Within = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Time to wait for the response.", min=0.1)]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Query this URL instead, such as http://127.0.0.1:8000/api/healthz.",
        show_default=False,
    ),
]


def healthcheck(*, live: Live = False, timeout: Within = 3.0, url: Url = None) -> int:
    """Check the health of the server of this project.

    Exit code 0: healthy. 1: unhealthy, or no response. The server is found by the record that it keeps for its user,
    including its port or UNIX socket and TLS; without a record, by the settings.
    """
    probe = "healthz" if live else "readyz"
    try:
        response = _query_url(url, timeout) if url else _query_server(probe, timeout)
    except NoResponseError as error:
        output.error(str(error))
        return exit_codes.FAILURE
    if response.status == 200:
        output.write("alive" if live else "ready")
        return exit_codes.SUCCESS
    output.error(f"{probe} returned {response.status}: {_detail(response)}")
    return exit_codes.FAILURE


def _query_url(url: str, timeout: float) -> Response:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NoResponseError(url, "not a URL of the form http://host:port/path")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return get(f"{parts.scheme}://{parts.netloc}", target, timeout=timeout)


def _query_server(probe: str, timeout: float) -> Response:
    server = _server()
    if server is not None and server.addresses:
        return get(server.addresses[0], f"{server.api}/{probe}", timeout=timeout, tls=server.tls)
    return _query_configured(probe, timeout)


def _server() -> Server | None:
    from fluxlit.server.registry import of_project  # noqa: PLC0415  (of another distribution)

    found = of_project(Path.cwd())  # never the server of another project
    return found[0] if found else None


def _query_configured(probe: str, timeout: float) -> Response:
    """Query the address in the settings; ignores those in code."""
    from fluxlit.settings import resolve  # noqa: PLC0415  (heavy)

    settings = resolve().settings
    path = f"{settings.root_path}{settings.api_mount_path}/{probe}"
    tls = settings.tls_certificate is not None
    if settings.gateway_uds is not None:
        return get(f"unix:{Path(settings.gateway_uds).absolute()}", path, timeout=timeout, tls=tls)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.gateway_host, settings.gateway_host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return get(f"http{'s' if tls else ''}://{host}:{settings.gateway_port}", path, timeout=timeout)


def _detail(response: Response) -> str:
    try:
        return str(json.loads(response.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return response.body.strip().partition("\n")[0][:200] or "no detail"
