"""`fluxlit shutdown`: stop a server and report whether it has ended.

A number in a file proves nothing: the server may have been killed, and its process id reused. A server is therefore
identified by its pid file, on which it holds a lock while it runs, or by its record, which holds the start time of the
process. A descriptor (pidfd_open(2)) is opened before the check, so that the process id cannot be reused between the
check and the signal.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fluxlit_cli import exit_codes, output, servers
from fluxlit_cli.process_handle import ProcessHandle

STOP_TIMEOUT_S = 60.0
"""How long to wait for a server without a record."""

KILL_S = 5.0

Pidfile = Annotated[
    str | None,
    typer.Option(
        "--pidfile",
        "--pid-file",
        metavar="FILE",
        help="Stop the server with this pid file. Default: the setting pidfile.",
    ),
]
Pid = Annotated[
    int | None,
    typer.Option("--pid", metavar="PID", help="Stop the server with this process id.", show_default=False),
]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        help="Time to wait for the server to end; 0 does not wait. Default: the server's own shutdown timeouts.",
        min=0,
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Kill the server if it has not ended in time.")]


@dataclass(frozen=True)
class RunningServer:
    """The server to stop.

    Attributes:
        pid: its process id.
        is_running: returns whether the process with that id is still this server.
        timeout: seconds to wait for its end.
    """

    pid: int
    is_running: Callable[[], bool]
    timeout: float


class NoServerError(Exception):
    """There is no server to stop, or not exactly one.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        self.code = code
        super().__init__(message)


def shutdown(*, pidfile: Pidfile = None, pid: Pid = None, wait: Wait = None, force: Force = False) -> int:
    """Stop the server of this project gracefully, like SIGTERM.

    The server is found by its pid file, if this command or the settings name one, else by the record that a server
    keeps for its user. Exit code 0: it has ended, or had ended before. 1: it still runs, or this user may not stop
    it. 2: there is none, or several.
    """
    try:
        server = _find(pidfile, pid)
    except NoServerError as found:
        if found.code == exit_codes.SUCCESS:
            output.write(str(found))
        else:
            output.error(str(found))
        return found.code
    try:
        with ProcessHandle.open(server.pid) as process:
            return _stop(process, server, wait, force=force)
    except ProcessLookupError:
        output.write(f"Process {server.pid} has ended already.")
        return exit_codes.SUCCESS
    except PermissionError:
        output.error(f"Process {server.pid} belongs to another user. Only that user and root can stop it.")
        return exit_codes.FAILURE


def _stop(process: ProcessHandle, server: RunningServer, wait: float | None, *, force: bool) -> int:
    if not server.is_running():
        output.write(f"The server has ended already; its process id {server.pid} belongs to another process now.")
        return exit_codes.SUCCESS
    started = time.monotonic()
    timeout = server.timeout if wait is None else wait
    process.signal(signal.SIGTERM)
    if not timeout and not force:
        output.write(f"Process {server.pid} has received SIGTERM; whether it has ended is unknown.")
        return exit_codes.SUCCESS
    if process.ends_within(timeout):
        output.write(f"Process {server.pid} has ended after {time.monotonic() - started:.1f} s.")
        return exit_codes.SUCCESS
    if force:
        process.signal(signal.SIGKILL)
        if process.ends_within(KILL_S):
            output.write(f"Process {server.pid} did not end within {timeout:g} s and has been killed.")
            return exit_codes.SUCCESS
    hint = "" if force else " `--wait` waits longer, `--force` kills it."
    output.error(f"Process {server.pid} still runs, {time.monotonic() - started:.1f} s after SIGTERM.{hint}")
    return exit_codes.FAILURE


def _find(pidfile: str | None, pid: int | None) -> RunningServer:
    if pid is not None:
        return _by_pid(pid)
    if pidfile is not None:
        return _by_file(Path(pidfile))
    found = servers.find()
    configured = servers.configured_pidfile()
    if configured is not None and (configured.exists() or not found):
        return _by_file(configured)
    return _by_records()


def _by_pid(pid: int) -> RunningServer:
    server = servers.with_pid(pid)
    if server is None:
        raise NoServerError(f"Process {pid} is not a FluxLit server of this user.", exit_codes.USAGE)
    return _recorded(server.pid, server.born, server.stop_s)


def _by_records() -> RunningServer:
    found = servers.find()
    if not found:
        others = servers.others_note()
        hint = " `fluxlit status --all` shows them, `--pid` selects one." if others else ""
        raise NoServerError(f"No FluxLit server of this project runs.{others}{hint}", exit_codes.USAGE)
    if len(found) > 1:
        listed = "\n".join(f"  {servers.describe(server)}" for server in found)
        raise NoServerError(f"Several servers of this project run; select one with --pid:\n{listed}", exit_codes.USAGE)
    return _recorded(found[0].pid, found[0].born, found[0].stop_s)


def _recorded(pid: int, born: int | None, timeout: float) -> RunningServer:
    from fluxlit._internal.procfs import birth  # noqa: PLC0415  (of another distribution)

    return RunningServer(pid, lambda: birth(pid) == born, timeout or STOP_TIMEOUT_S)


def _by_file(path: Path) -> RunningServer:
    from fluxlit.server.pid_file import holder, read, remove_stale  # noqa: PLC0415  (of another distribution)

    try:
        pid = holder(path)
    except FileNotFoundError:
        raise NoServerError(f"There is no pid file {path}: its server does not run.", 2) from None
    except OSError as error:
        raise NoServerError(f"The pid file {path} cannot be read: {error.strerror or error}.", 1) from None
    if pid is None:
        stale = read(path)
        removed = "it has been removed" if remove_stale(path) else "remove it"
        content = f"names process {stale}, but no server locks it" if stale is not None else "names no process"
        raise NoServerError(f"The pid file {path} {content}: it is stale; {removed}.", exit_codes.SUCCESS)
    server = servers.with_pid(pid)
    timeout = server.stop_s if server and server.stop_s else STOP_TIMEOUT_S
    return RunningServer(pid, lambda: holder(path) == pid, timeout)
