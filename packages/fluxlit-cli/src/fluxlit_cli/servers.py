"""The running servers of this project, found by their records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fluxlit_cli import output

if TYPE_CHECKING:
    from fluxlit.server.registry import Server


def find(*, everywhere: bool = False) -> list[Server]:
    """Return the servers of the project here, the youngest first.

    Args:
        everywhere: return all servers of this user instead.
    """
    from fluxlit.server.registry import of_project, running  # noqa: PLC0415  (of another distribution)

    return running() if everywhere else of_project(Path.cwd())


def with_pid(pid: int) -> Server | None:
    """Return the server with a process id, if it has a record."""
    return next((server for server in find(everywhere=True) if server.pid == pid), None)


def configured_pidfile() -> Path | None:
    """Return the pid file of the settings; ignores those in code."""
    from fluxlit.settings import resolve  # noqa: PLC0415  (heavy)

    named = resolve().settings.pidfile
    return Path(named) if named is not None else None


def describe(server: Server) -> str:
    """Return a one-line description of a server."""
    where = server.addresses[0] if server.addresses else server.project
    return f"process {server.pid}: {server.target or 'an application'} at {where}"


def others_note() -> str:
    """Return a note about servers of other projects, empty if none."""
    others = find(everywhere=True)
    if not others:
        return ""
    return (
        f" {output.counted(len(others), 'server')} of yours " + ("runs" if len(others) == 1 else "run") + " elsewhere."
    )
