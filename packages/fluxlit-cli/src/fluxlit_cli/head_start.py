"""The worker process that a command starts before anything else.

Reading the command line takes a fifth of a second, most of it to import the declaration of every setting that may
stand on it. A worker needs none of that to import Streamlit, which takes longer. So a word is enough to start one: a
command that turns out to be wrong has started it for nothing, and ends it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxlit.supervisor.spawn import SpawnedProcess

SERVERS = ("run", "dev", "workbench")
HELP = {"-h", "--help", "-V", "--version"}

_early: SpawnedProcess | None = None


@contextmanager
def begun(arguments: Sequence[str]) -> Iterator[None]:
    """Have a worker process while the block runs, if the command line seems to want one; see `early`."""
    global _early  # noqa: PLW0603  # one per process, as there is one command
    if not serves(arguments):
        yield
        return
    from fluxlit.server.launch import start_worker  # noqa: PLC0415  # other commands do without

    with suppress(OSError):  # it will be tried again where the reason can be told
        _early = start_worker()
    try:
        yield
    finally:
        if _early is not None:
            _early.discard()


def early() -> SpawnedProcess | None:
    """The worker process that runs already, if there is one."""
    return _early


def serves(arguments: Sequence[str], *commands: str) -> bool:
    """Whether a command line seems to start a server.

    Args:
        arguments: what follows the name of the program.
        *commands: those that count; by default all that serve.
    """
    first = next((word for word in arguments if not word.startswith("-")), "")
    return first in (commands or SERVERS) and not HELP.intersection(arguments)


def split_process_1(arguments: Sequence[str]) -> int | None:
    """Where this is process 1 of a container, let a child run the server: somebody must take orphans in.

    Returns:
        In process 1, once that child has ended, the exit code to leave with; otherwise `None`.
    """
    if os.getpid() != 1 or not serves(arguments, "run"):
        return None
    from fluxlit.server.container_init import split  # noqa: PLC0415  (POSIX alone)

    return split()
