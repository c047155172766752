"""`fluxlit healthcheck`: one question to the server of this project, for containers that have no curl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from fluxlit_cli import exit_codes, output
from fluxlit_cli.asking import Answer, SilentServerError, ask

if TYPE_CHECKING:
    from fluxlit.server.registry import Server

Live = Annotated[
    bool,
    typer.Option("--live", help="Ask healthz, whether the process lives, instead of readyz, whether pages are served."),
]
Within = Annotated[float, typer.Option("--timeout", help="Seconds to wait for the answer.", min=0.1)]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", help="Ask this address instead, such as http://127.0.0.1:8000/api/healthz.", show_default=False
    ),
]


def healthcheck(*, live: Live = False, timeout: Within = 3.0, url: Url = None) -> int:
    """Ask the server of this project whether it is healthy.

    Exit code 0 says yes, 1 no or no answer. The server is found by the record that it leaves for its user,
    on whatever port, UNIX socket or TLS it listens; where there is none, by the settings.
    """
    probe = "healthz" if live else "readyz"
    try:
        answer = _ask_address(url, timeout) if url else _ask_server(probe, timeout)
    except SilentServerError as error:
        output.error(str(error))
        return exit_codes.FAILURE
    if answer.status == 200:
        output.say("alive" if live else "ready")
        return exit_codes.SUCCESS
    output.error(f"{probe} answers {answer.status}: {_detail(answer)}")
    return exit_codes.FAILURE


def _ask_address(url: str, timeout: float) -> Answer:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SilentServerError(url, "it is no address of the form http://host:port/path")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return ask(f"{parts.scheme}://{parts.netloc}", target, within=timeout)


def _ask_server(probe: str, timeout: float) -> Answer:
    server = _server()
    if server is not None and server.addresses:
        return ask(server.addresses[0], f"{server.api}/{probe}", within=timeout, tls=server.tls)
    return _ask_settings(probe, timeout)


def _server() -> Server | None:
    from fluxlit.server.registry import of_project  # noqa: PLC0415  (of another distribution)

    found = of_project(Path.cwd())  # never another project's: its health is none of this one
    return found[0] if found else None


def _ask_settings(probe: str, timeout: float) -> Answer:
    """Ask where the settings say that the server listens; those in code are not known here."""
    from fluxlit.settings import resolve  # noqa: PLC0415  (heavy)

    settings = resolve().settings
    path = f"{settings.root_path}{settings.api_mount_path}/{probe}"
    tls = settings.tls_certificate is not None
    if settings.gateway_uds is not None:
        return ask(f"unix:{Path(settings.gateway_uds).absolute()}", path, within=timeout, tls=tls)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.gateway_host, settings.gateway_host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return ask(f"http{'s' if tls else ''}://{host}:{settings.gateway_port}", path, within=timeout)


def _detail(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.body.strip().partition("\n")[0][:200] or "no detail"
