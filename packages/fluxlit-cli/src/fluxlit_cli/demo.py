"""`fluxlit demo`: a gallery application from the installed package."""

from __future__ import annotations

import asyncio
import os
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from fluxlit_cli import output
from fluxlit_cli.dev import Open

if TYPE_CHECKING:
    from fluxlit.server.runtime import Runtime
    from fluxlit.server.serve import Ready

GALLERY = Path(__file__).with_name("gallery")

_PORT_HELP = "Port to listen on; by default 8000, or the next free one."
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, metavar="PORT", help=_PORT_HELP)]


def demo(*, open_browser: Open = False, port: Port = None) -> int:
    """Show a small application with what FluxLit does.

    Its pages show their own code: a client of the API, a session that survives its process, a stream.
    """
    from fluxlit.server.launch import launch  # noqa: PLC0415  (heavy)

    def ready(report: Ready) -> None:
        output.write(f"{output.paint('FluxLit is ready', 'green')} at {output.paint(report.url, 'bold')}")
        output.write(f"  Code      {GALLERY / 'app.py'}\n  Ctrl-C to stop")
        if open_browser:
            webbrowser.open(report.url)

    os.chdir(GALLERY)  # with a project file of its own, so that no other is found
    with TemporaryDirectory(prefix="fluxlit-demo-") as folder:
        flags: dict[str, object] = {} if port is None else {"gateway_port": str(port)}
        if find_spec("fluxlit_sessions") is not None:
            flags["session_store"] = f"sqlite:///{folder}/sessions.db"
        return launch(None, flags, on_ready=ready, watch=_wait)


async def _wait(_runtime: Runtime) -> None:
    """Watch nothing: a development server, with code that does not change."""
    await asyncio.Event().wait()
