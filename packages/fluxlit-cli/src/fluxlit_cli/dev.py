"""`fluxlit dev`: an application under development."""

from __future__ import annotations

import os
import sys
import traceback
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluxlit.errors import AddressInUseError, AlreadyRunningError, FluxLitError, SettingsError, TargetError
from fluxlit_cli import exit_codes, output
from fluxlit_cli.head_start import early
from fluxlit_cli.options import spell, with_settings
from fluxlit_cli.run import Target

if TYPE_CHECKING:
    from fluxlit.server.serve import Ready
    from fluxlit_cli.watch import Watcher

Open = Annotated[bool, typer.Option("--open", help="Open the browser when the application is ready.")]

Login = Annotated[bool, typer.Option("--login", help="Replace the login: choose user and roles.")]


@with_settings
def dev(target: Target = None, *, open_browser: Open = False, login: Login = False, flags: Mapping[str, object]) -> int:
    """Run an application and reload changed code.

    A script and an API side by side are served together. If the port is taken, the next free one is used, unless --port
    names it.

    Open browsers show a saved page at once, the API runs its new code, and sessions keep their state. While new code
    has an error, the previous version serves. A start that fails is repeated, changed settings restart it.
    """
    from fluxlit.server.launch import launch  # noqa: PLC0415  (heavy)
    from fluxlit_cli.watch import Watcher  # noqa: PLC0415  (needs watchfiles)

    def ready(report: Ready) -> None:
        announce(report, login=login)
        if open_browser:
            webbrowser.open(report.url)

    head_start = early()
    if target is not None and Path(target).is_dir():
        os.chdir(target)
        target = head_start = None  # that worker is in the former folder
    watcher = Watcher({**flags, "target": target})
    try:
        code = launch(
            target, flags, on_ready=ready, watch=watcher.watch, head_start=head_start, development_login=login
        )
    except FluxLitError as error:
        if not is_fixable(error):
            raise
        code = _wait_for_change(error, watcher)
    if watcher.restart_wanted and code == exit_codes.SUCCESS:  # nothing has ended it meanwhile
        _restart(target, flags, login=login)
    return code


def is_fixable(error: FluxLitError) -> bool:
    """Whether an error is in the user's files, so saving may fix it."""
    if isinstance(error, SettingsError):
        return all(problem.in_file for problem in error.problems)
    if isinstance(error, TargetError):
        return error.__cause__ is not None
    return not isinstance(error, AddressInUseError | AlreadyRunningError)


def _wait_for_change(error: FluxLitError, watcher: Watcher) -> int:
    if output.DEBUG in sys.argv:
        traceback.print_exception(error)
    output.error(f"{output.describe(error)}\nWaiting for a change.")
    watcher.wait()
    return exit_codes.SUCCESS


def announce(ready: Ready, *, login: bool = False) -> None:
    """Print what is served, its addresses and how to stop it."""
    if ready.busy_port is not None:
        output.note(f"Port {ready.busy_port} is in use, so the next free one is taken. --port chooses another.")
    output.write(f"{output.paint('FluxLit is ready', 'green')} ({ready.seconds:.1f} s), watching for changes")
    app = {"App": ready.url, "Network": ready.network_url} if ready.has_ui else {}
    api = {"API": ready.api_url, "API docs": ready.docs_url} if ready.has_api or not ready.has_ui else {}
    for name, url in {**app, **api}.items():
        if url:
            output.write(f"  {name:<9} {output.paint(url, 'bold')}")
    if login:
        output.write(f"  {'Login':<9} choose any user, without a password; for this machine only")
    if ready.adopted:
        output.write(f"  {'Serves':<9} {ready.adopted}")
    output.write("  Ctrl-C to stop")


def _restart(target: str | None, flags: Mapping[str, object], *, login: bool) -> None:
    """Replace this process by a new one, which reads all settings.

    Without ``--open``: the browser is open already.
    """
    words = [sys.executable, "-m", "fluxlit_cli", "dev", *([target] if target else []), *spell(flags)]
    words += ["--login"] if login else []
    sys.stdout.flush()
    os.execv(sys.executable, words)  # noqa: S606  (the same program again)
