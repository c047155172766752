"""`fluxlit dev`: an application under development."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from fluxlit_cli import output
from fluxlit_cli.options import spell, with_settings
from fluxlit_cli.run import Target

if TYPE_CHECKING:
    from fluxlit.server import Ready

Open = Annotated[bool, typer.Option("--open", help="Open the browser once the application is ready.")]


@with_settings
def dev(target: Target = None, *, open_browser: Open = False, flags: Mapping[str, object]) -> int:
    """Run an application and reload what changes.

    A saved page shows in open browsers, a saved API module answers with its new code, and sessions keep
    their state. When the new code has an error, the old one keeps serving. A change of settings restarts
    the whole.
    """
    from fluxlit.launch import launch  # noqa: PLC0415  (heavy)
    from fluxlit_cli.watch import Watcher  # noqa: PLC0415  (needs watchfiles)

    def ready(report: Ready) -> None:
        announce(report)
        if open_browser:
            webbrowser.open(report.url)

    watcher = Watcher({**flags, "target": target})
    code = launch(target, flags, on_ready=ready, watch=watcher.watch)
    if watcher.restart_wanted:
        _restart(target, flags)
    return code


def announce(ready: Ready) -> None:
    """Say where the application, the API and its documentation are."""
    output.say(f"{output.paint('FluxLit is ready', 'green')} ({ready.seconds:.1f} s), watching for changes")
    rows = {"App": ready.url, "API": ready.api_url, "API docs": ready.docs_url}
    for name, url in rows.items():
        if url:
            output.say(f"  {name:<9} {output.paint(url, 'bold')}")


def _restart(target: str | None, flags: Mapping[str, object]) -> None:
    """Become a new process, which reads all settings anew. The browser is open already."""
    words = [sys.executable, "-m", "fluxlit_cli", "dev", *([target] if target else []), *spell(flags)]
    sys.stdout.flush()
    os.execv(sys.executable, words)  # noqa: S606  (the same program again)
