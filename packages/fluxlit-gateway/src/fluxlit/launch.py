"""Starting an application: the worker first, and then everything that takes time to import.

A worker's start is mostly importing Streamlit, and the gateway's is importing pydantic, FastAPI and the application;
so both happen at once. This module must therefore import neither itself; a test holds it to that.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from fluxlit.garbage import collection_paused
from fluxlit.supervisor import Spawned
from fluxlit.worker_command import WORKER

if TYPE_CHECKING:
    from fluxlit.process import Watch
    from fluxlit.server import Ready


def launch(
    target: str | None,
    flags: Mapping[str, object],
    *,
    on_ready: Callable[[Ready], None],
    watch: Watch | None = None,
) -> int:
    """Run an application until it is told to stop.

    Args:
        target: ``module:attribute``; `None` to find it in the other layers.
        flags: values of command-line options by name of the setting.
        on_ready: called once, when pages and API answer.
        watch: runs beside the server, with the runtime; its presence means development. When it
            returns, the server stops.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT.

    Raises:
        FluxLitError: the application cannot start.
    """
    started = time.monotonic()
    with head_start() as early:
        with collection_paused():
            from fluxlit.server import serve  # noqa: PLC0415  # while the worker imports Streamlit

        return serve(target, flags, on_ready=on_ready, watch=watch, head_start=early, started=started)


@contextlib.contextmanager
def head_start() -> Iterator[Spawned]:
    """A worker process that does what needs no knowledge of the application, and then waits to be told.

    Most applications want one. Whether this one does is known too late for a head start: whoever finds that it does
    not ends the process, and so does the end of the block when nobody has taken it over.
    """
    early = Spawned.of(WORKER)
    try:
        yield early
    finally:
        early.discard()
