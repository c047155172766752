"""`fluxlit dev`: an application under development."""

from __future__ import annotations

import os
import sys
import traceback
import webbrowser
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from fluxlit.errors import FluxLitError, PageError, TargetError
from fluxlit_cli import exit_codes, output
from fluxlit_cli.head_start import early
from fluxlit_cli.options import spell, with_settings
from fluxlit_cli.run import Target

if TYPE_CHECKING:
    from fluxlit.server.serve import Ready
    from fluxlit_cli.watch import Watcher

Open = Annotated[bool, typer.Option("--open", help="Open the browser when the application is ready.")]


@with_settings
def dev(target: Target = None, *, open_browser: Open = False, flags: Mapping[str, object]) -> int:
    """Run an application and reload changed code.

    Open browsers show a page as soon as it is saved, the API runs its new code, and sessions keep their state.
    While the new code has an error, the previous version keeps serving; if the first start fails, the command waits
    for the next change. A change of settings restarts the server.
    """
    from fluxlit.server.launch import launch  # noqa: PLC0415  (heavy)
    from fluxlit_cli.watch import Watcher  # noqa: PLC0415  (needs watchfiles)

    def ready(report: Ready) -> None:
        announce(report)
        if open_browser:
            webbrowser.open(report.url)

    watcher = Watcher({**flags, "target": target})
    try:
        code = launch(target, flags, on_ready=ready, watch=watcher.watch, head_start=early())
    except FluxLitError as error:
        if not is_fixable(error):
            raise
        code = _wait_for_change(error, watcher)
    if watcher.restart_wanted:
        _restart(target, flags)
    return code


def is_fixable(error: FluxLitError) -> bool:
    """Whether an error is in the user's code, so saving may fix it."""
    return isinstance(error, PageError) or (isinstance(error, TargetError) and error.__cause__ is not None)


def _wait_for_change(error: FluxLitError, watcher: Watcher) -> int:
    if output.wants_tracebacks(sys.argv):
        traceback.print_exception(error)
    output.error(f"{output.describe(error)}\nWaiting for a change.")
    watcher.wait()
    return exit_codes.SUCCESS


def announce(ready: Ready) -> None:
    """Print the addresses of the application, API and API docs."""
    output.write(f"{output.paint('FluxLit is ready', 'green')} ({ready.seconds:.1f} s), watching for changes")
    rows = {"App": ready.url, "Network": ready.network_url, "API": ready.api_url, "API docs": ready.docs_url}
    for name, url in rows.items():
        if url:
            output.write(f"  {name:<9} {output.paint(url, 'bold')}")


def _restart(target: str | None, flags: Mapping[str, object]) -> None:
    """Replace this process by a new one, which reads all settings.

    Without ``--open``: the browser is open already.
    """
    words = [sys.executable, "-m", "fluxlit_cli", "dev", *([target] if target else []), *spell(flags)]
    sys.stdout.flush()
    os.execv(sys.executable, words)  # noqa: S606  (the same program again)
