"""`fluxlit shutdown`: end a server, and say truly whether it has ended.

A number in a file proves nothing: the server may have been killed, and another process may have got its number. So a
server is known by more. By its pid file: it holds a lock on it as long as it lives. By its record: the moment at which
the system says that the process was born. The process is held by a descriptor (pidfd_open(2)) before that is looked at,
so that between looking and signalling its number cannot go to somebody else.
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
from fluxlit_cli.foreign import Foreign

PATIENCE_S = 60.0
"""How long to wait for a server of which nothing but the pid file is known."""

KILL_S = 5.0

Pidfile = Annotated[
    str | None,
    typer.Option(
        "--pidfile", "--pid-file", help="Stop the server that holds this file, by default the setting pidfile."
    ),
]
Pid = Annotated[int | None, typer.Option("--pid", help="Stop this server, where several run.", show_default=False)]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        help="Seconds to wait for the end; 0 does not wait. By default as long as the server's own limits allow.",
        min=0,
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Kill the server if it has not ended by then.")]


@dataclass(frozen=True)
class Subject:
    """The server that is to end.

    Attributes:
        pid: its process.
        proven: says whether the process with that number is still this server.
        patience: seconds in which it should have ended.
    """

    pid: int
    proven: Callable[[], bool]
    patience: float


class NoSubjectError(Exception):
    """There is nothing to end.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        self.code = code
        super().__init__(message)


def shutdown(*, pidfile: Pidfile = None, pid: Pid = None, wait: Wait = None, force: Force = False) -> int:
    """Stop the server of this project, as SIGTERM does: open requests get their time.

    The server is found by its pid file, if one is named here or by the settings, else by the record that it leaves for
    its user. Exit code 0: it has ended, or had ended before. 1: it still runs, or must not be stopped by this user.
    2: there is none, or several.
    """
    try:
        subject = _subject(pidfile, pid)
    except NoSubjectError as found:
        if found.code == exit_codes.SUCCESS:
            output.say(str(found))
        else:
            output.error(str(found))
        return found.code
    try:
        with Foreign.held(subject.pid) as process:
            return _stop(process, subject, wait, force=force)
    except ProcessLookupError:
        output.say(f"Process {subject.pid} has ended already.")
        return exit_codes.SUCCESS
    except PermissionError:
        output.error(f"Process {subject.pid} belongs to another user, who alone can stop it, or root.")
        return exit_codes.FAILURE


def _stop(process: Foreign, subject: Subject, wait: float | None, *, force: bool) -> int:
    if not subject.proven():
        output.say(f"The server has ended already; its number, {subject.pid}, is another process's by now.")
        return exit_codes.SUCCESS
    started = time.monotonic()
    patience = subject.patience if wait is None else wait
    process.signal(signal.SIGTERM)
    if not patience and not force:
        output.say(f"Process {subject.pid} has been asked to stop; that it has ended is not known.")
        return exit_codes.SUCCESS
    if process.ends_within(patience):
        output.say(f"Process {subject.pid} has ended after {time.monotonic() - started:.1f} s.")
        return exit_codes.SUCCESS
    if force:
        process.signal(signal.SIGKILL)
        if process.ends_within(KILL_S):
            output.say(f"Process {subject.pid} did not end within {patience:g} s and has been killed.")
            return exit_codes.SUCCESS
    hint = "" if force else " `--wait` gives it more time, `--force` kills it."
    output.error(f"Process {subject.pid} still runs, {time.monotonic() - started:.1f} s after SIGTERM.{hint}")
    return exit_codes.FAILURE


def _subject(pidfile: str | None, pid: int | None) -> Subject:
    if pid is not None:
        return _by_pid(pid)
    if pidfile is not None:
        return _by_file(Path(pidfile))
    found = servers.of_here()
    configured = servers.configured_pidfile()
    if configured is not None and (configured.exists() or not found):
        return _by_file(configured)
    return _by_records()


def _by_pid(pid: int) -> Subject:
    server = servers.with_pid(pid)
    if server is None:
        raise NoSubjectError(f"Process {pid} is no FluxLit server of this user.", exit_codes.USAGE)
    return _recorded(server.pid, server.born, server.stop_s)


def _by_records() -> Subject:
    found = servers.of_here()
    if not found:
        others = servers.elsewhere()
        hint = " `fluxlit status --all` shows them, `--pid` names one." if others else ""
        raise NoSubjectError(f"No FluxLit server of this project runs.{others}{hint}", exit_codes.USAGE)
    if len(found) > 1:
        listed = "\n".join(f"  {servers.describe(server)}" for server in found)
        raise NoSubjectError(f"Several servers of this project run; name one by --pid:\n{listed}", exit_codes.USAGE)
    return _recorded(found[0].pid, found[0].born, found[0].stop_s)


def _recorded(pid: int, born: int | None, patience: float) -> Subject:
    from fluxlit._internal.procfs import birth  # noqa: PLC0415  (of another distribution)

    return Subject(pid, lambda: birth(pid) == born, patience or PATIENCE_S)


def _by_file(path: Path) -> Subject:
    from fluxlit.server.pid_file import holder, read, remove_stale  # noqa: PLC0415  (of another distribution)

    try:
        pid = holder(path)
    except FileNotFoundError:
        raise NoSubjectError(f"There is no pid file {path}: no server that would write it runs.", 2) from None
    except OSError as error:
        raise NoSubjectError(f"The pid file {path} cannot be read: {error.strerror or error}.", 1) from None
    if pid is None:
        said = read(path)
        removed = "it has been removed" if remove_stale(path) else "remove it"
        whose = f"names process {said}, but no server holds it" if said is not None else "names no process"
        raise NoSubjectError(f"The pid file {path} {whose}: it was left behind, and {removed}.", exit_codes.SUCCESS)
    server = servers.with_pid(pid)
    return Subject(pid, lambda: holder(path) == pid, server.stop_s if server and server.stop_s else PATIENCE_S)
