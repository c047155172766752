"""The FluxLit servers that run on this machine, for commands.

Every server leaves a record in its private run directory, so a command of the same user finds it
on any port, set in any layer. The module imports nothing heavy, for a health check
runs every few seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from fluxlit._internal.procfs import birth
from fluxlit.server.run_directory import PREFIX, alive, base_directory

RECORD = "server.json"

END_S = 10.0
"""Seconds, beyond what the settings give to requests and API, in which everything else of a server has ended."""


@dataclass(frozen=True)
class Server:
    """One server process.

    Attributes:
        pid: its process id.
        project: folder of its project.
        target: the FluxLit object that it runs.
        started_at: seconds since the epoch.
        addresses: where it listens, as `http://host:port`, `https://host:port` or `unix:/path`; empty when another
            program, such as uvicorn, listens.
        tls: it speaks TLS on the UNIX sockets among them.
        api: public path of the API.
        admin: address of the private admin listener; empty if there is none.
        born: `fluxlit._internal.procfs.birth` of the process; `None` where the system does not report it.
        stop_s: seconds in which it ends after SIGTERM, by its own limits; 0 if they are not known.
    """

    pid: int
    project: str
    target: str
    started_at: float
    addresses: tuple[str, ...] = ()
    tls: bool = False
    api: str = "/api"
    admin: str = ""
    born: int | None = None
    stop_s: float = 0.0


def announce(directory: Path, server: Server) -> None:
    """Write a record, or replace it atomically."""
    fresh = directory / f"{RECORD}.new"
    fresh.write_text(json.dumps(asdict(server)), encoding="utf-8")
    fresh.replace(directory / RECORD)


def running() -> list[Server]:
    """The servers of this user that are alive, the youngest first."""
    found = sorted(_records(), key=lambda server: server.started_at, reverse=True)
    # In a container that was started again the process has the number that it had before.
    return list({server.pid: server for server in reversed(found)}.values())[::-1]


def of_project(directory: Path) -> list[Server]:
    """The servers of the project in a folder or above it, the youngest first."""
    here = directory.resolve()
    return [server for server in running() if here.is_relative_to(Path(server.project).resolve())]


def _records() -> Iterator[Server]:
    for path in base_directory().glob(f"{PREFIX}*/{RECORD}"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            # Any user may make a directory of such a name in a shared place.
            if path.stat().st_uid != os.getuid():
                continue
            values = json.loads(path.read_text(encoding="utf-8"))
            known = {item.name: values[item.name] for item in fields(Server) if item.name in values}
            server = Server(**{**known, "addresses": tuple(known.get("addresses", ()))})
            if alive(server.pid) and server.born == birth(server.pid):
                yield server
