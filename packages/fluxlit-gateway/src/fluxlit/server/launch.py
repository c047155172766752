"""Start an application: the worker first, then the slow imports.

A worker's start is mostly importing Streamlit, and the gateway's is importing pydantic, FastAPI and the application;
so both happen at once. This module must therefore import neither itself, nor anything else that takes long; a test
holds it to that. A program that does more before it knows what to launch begins with `start_worker`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fluxlit._internal.garbage_collection import collection_paused
from fluxlit.supervisor.spawn import SpawnedProcess
from fluxlit.worker.command import WORKER

if TYPE_CHECKING:
    from fluxlit.server.process import Watch
    from fluxlit.server.serve import Ready


def launch(
    target: str | None,
    flags: Mapping[str, object],
    *,
    on_ready: Callable[[Ready], None],
    watch: Watch | None = None,
    head_start: SpawnedProcess | None = None,
    development_login: bool = False,
) -> int:
    """Run an application until a signal stops it.

    Args:
        target: ``module:attribute``; `None` to find it in the other layers.
        flags: values of command-line options by name of the setting.
        on_ready: called once, when pages and API respond.
        watch: runs beside the server, with the runtime; its presence means development. When it
            returns, the server stops.
        head_start: a worker process that runs already; ended here if it is not used.
        development_login: let the developer choose the user; only with `watch`.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT.

    Raises:
        FluxLitError: the application cannot start.
    """
    early = head_start or start_worker()
    try:
        with collection_paused():
            from fluxlit.server.serve import serve  # noqa: PLC0415  # while the worker imports Streamlit

        return serve(
            target,
            flags,
            on_ready=on_ready,
            watch=watch,
            head_start=early,
            started=early.started,
            development_login=development_login,
        )
    finally:
        early.discard()


def start_worker() -> SpawnedProcess:
    """Start a worker process that imports first and then waits for its spec.

    Most applications want one. Whether this one does is known too late for a head start: the caller ends the process
    if it is not needed.

    Raises:
        OSError: it cannot be started.
    """
    return SpawnedProcess.of(WORKER)
