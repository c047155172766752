"""Finding the running servers that a command is about: those of this project, by the records that they leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fluxlit_cli import output

if TYPE_CHECKING:
    from fluxlit.server.registry import Server


def of_here(*, everywhere: bool = False) -> list[Server]:
    """The servers of the project in the working directory, the youngest first.

    Args:
        everywhere: all servers of this user instead.
    """
    from fluxlit.server.registry import of_project, running  # noqa: PLC0415  (of another distribution)

    return running() if everywhere else of_project(Path.cwd())


def with_pid(pid: int) -> Server | None:
    """The server that runs as a process, if it left a record."""
    return next((server for server in of_here(everywhere=True) if server.pid == pid), None)


def configured_pidfile() -> Path | None:
    """The pid file that the settings name; those in code are not known here."""
    from fluxlit.settings import resolve  # noqa: PLC0415  (heavy)

    named = resolve().settings.pidfile
    return Path(named) if named is not None else None


def describe(server: Server) -> str:
    """A server in one line."""
    where = server.addresses[0] if server.addresses else server.project
    return f"process {server.pid}: {server.target or 'an application'} at {where}"


def elsewhere() -> str:
    """What to say about servers that are not of this project, if there are any."""
    others = of_here(everywhere=True)
    if not others:
        return ""
    return (
        f" {output.counted(len(others), 'server')} of yours " + ("runs" if len(others) == 1 else "run") + " elsewhere."
    )
