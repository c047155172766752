"""Refusing to run under several uvicorn processes.

Each would start a UI of its own, and a browser's WebSocket, uploads and downloads would meet a different one
by chance.
"""

from __future__ import annotations

import gc
import multiprocessing

import uvicorn

from fluxlit.errors import FluxLitError

MESSAGE = (
    "uvicorn was started with {count} workers, but each would run a Streamlit of its own, and a browser's requests "
    "would reach a different one by chance. Run one uvicorn process and give Streamlit the cores: "
    "FLUXLIT_STREAMLIT_WORKERS={count}, or `fluxlit run --workers {count}`. For more processes run more replicas "
    "behind a load balancer. FLUXLIT_ALLOW_UNIFIED_UVICORN_MULTIWORKER=1 overrides this; it is not supported."
)


def uvicorn_workers() -> int:
    """The number of processes that the uvicorn above this one starts.

    Only a process that uvicorn has spawned can be one of several. uvicorn passes its applications nothing, but the
    configuration that it was started with lives in this process.
    """
    if multiprocessing.parent_process() is None:
        return 1
    return max((item.workers for item in gc.get_objects() if isinstance(item, uvicorn.Config)), default=1)


def refuse_multiworker(*, allowed: bool) -> None:
    """Fail if this is one of several uvicorn workers.

    Args:
        allowed: the override is set.

    Raises:
        FluxLitError: it is.
    """
    count = 1 if allowed else uvicorn_workers()
    if count > 1:
        raise FluxLitError(MESSAGE.format(count=count))
