"""The worker process that a command starts before anything else.

Parsing the command line takes 0.2 s, most of it to import the declarations of the settings. A worker needs none of
them to import Streamlit, which takes longer, so it starts as soon as the command is known. An invalid command line
ends it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxlit.supervisor.spawn import SpawnedProcess

SERVERS = ("run", "dev", "workbench")
HELP = {"-h", "--help", "--help-all", "-V", "--version"}

_early: SpawnedProcess | None = None


@contextmanager
def begun(arguments: Sequence[str]) -> Iterator[None]:
    """Run a worker process during the block if the command serves."""
    global _early  # noqa: PLW0603  # one per process, as there is one command
    if not serves(arguments):
        yield
        return
    from fluxlit.server.launch import start_worker  # noqa: PLC0415  # other commands do without

    with suppress(OSError):  # tried again later, where the error is reported
        _early = start_worker()
    try:
        yield
    finally:
        if _early is not None:
            _early.discard()


def early() -> SpawnedProcess | None:
    """Return the worker process that runs already, if there is one."""
    return _early


def serves(arguments: Sequence[str], *commands: str) -> bool:
    """Whether a command line starts a server.

    Args:
        arguments: what follows the name of the program.
        *commands: those that count; by default all that serve.
    """
    first = next((word for word in arguments if not word.startswith("-")), "")
    return first in (commands or SERVERS) and not HELP.intersection(arguments)


def split_process_1(arguments: Sequence[str]) -> int | None:
    """In process 1 of a container, run the server in a child process.

    Process 1 has to reap orphaned processes.

    Returns:
        In process 1, once that child has ended, the exit code to leave with; otherwise `None`.
    """
    if os.getpid() != 1 or not serves(arguments, "run"):
        return None
    from fluxlit.server.container_init import split  # noqa: PLC0415  (POSIX alone)

    return split()
