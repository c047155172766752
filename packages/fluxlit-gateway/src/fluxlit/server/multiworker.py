"""Refusing to run in several processes that share a port.

Each would start a UI of its own, and a browser's WebSocket, uploads and downloads would meet a different one by chance.
Servers have different ways to start several processes (`uvicorn --workers`, gunicorn, hypercorn, granian). All have in
common that sibling processes hold one listening socket, and start together.
"""

from __future__ import annotations

import os
import socket
import stat

from fluxlit._internal.procfs import birth, open_sockets, siblings
from fluxlit.errors import FluxLitError
from fluxlit.server.uvicorn_above import uvicorn_above

MESSAGE = (
    "The server was started with {count} workers, but each would run a Streamlit of its own, and a browser's requests "
    "would reach a different one by chance. Run one process of the server and give the cores to what needs them: pages "
    "(FLUXLIT_STREAMLIT_WORKERS={count}, or `fluxlit run --workers {count}`) or the API "
    "(FLUXLIT_API_WORKERS={count}, or `--api-workers {count}`). For more machines run more replicas behind a load "
    "balancer. FLUXLIT_ALLOW_UNIFIED_UVICORN_MULTIWORKER=1 overrides this; it is not supported."
)

TOGETHER_S = 10.0
"""Siblings that began longer apart are a process and its replacement, as in a graceful reload."""


def refuse_multiworker(*, allowed: bool) -> None:
    """Fail if this is one of several server processes on one socket.

    Args:
        allowed: the override is set.

    Raises:
        FluxLitError: it is.
    """
    if allowed:
        return
    above = uvicorn_above()
    count = max(above.config.workers if above is not None else 1, 1 + len(sharing_siblings()))
    if count > 1:
        raise FluxLitError(MESSAGE.format(count=count))


def sharing_siblings() -> list[int]:
    """The siblings that hold a server's socket of this process.

    Siblings have the same parent and began together. None where the system does not report them.
    """
    own, began = server_sockets(), birth(os.getpid())
    if not own or began is None:
        return []
    ticks = os.sysconf("SC_CLK_TCK") * TOGETHER_S
    return [
        pid
        for pid in siblings()
        if (other := birth(pid)) is not None and abs(other - began) <= ticks and own & open_sockets(pid).keys()
    ]


def server_sockets() -> set[int]:
    """Inodes of the sockets of this process that clients connect to."""
    return {inode for inode, descriptor in open_sockets(os.getpid()).items() if _is_of_server(descriptor)}


def _is_of_server(descriptor: int) -> bool:
    """Whether a descriptor is a stream socket with an address, and no peer."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as found:
            if found.type != socket.SOCK_STREAM or not _address(found):
                return False
            found.getpeername()
    except OSError:
        return True  # ENOTCONN
    return False


def _address(found: socket.socket) -> object:
    name = found.getsockname()
    return name if isinstance(name, (str, bytes)) else name[1]
