"""The uvicorn server that runs this application, under `uvicorn app:app`.

uvicorn passes its applications nothing, but the server that starts them lives in this process.
"""

from __future__ import annotations

import gc

import uvicorn

from fluxlit.settings import Settings
from fluxlit.urls import PublicAddress

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared only


def uvicorn_above() -> uvicorn.Server | None:
    """The server that is about to start; `None` if another one serves."""
    # By type(): isinstance() asks the object for its __class__, which raises for a weak proxy of what is gone.
    servers = [item for item in gc.get_objects() if issubclass(type(item), uvicorn.Server)]
    starting = [server for server in servers if hasattr(server, "lifespan") and not server.started]
    return starting[0] if len(starting) == 1 else None


def set_up_uvicorn(settings: Settings, address: PublicAddress) -> None:
    """Give the server above the graceful timeout, and learn its address.

    An option of uvicorn's command line has precedence.

    Args:
        settings: the effective settings.
        address: takes the address of the listener.
    """
    above = uvicorn_above()
    if above is None:
        return
    config = above.config
    if config.timeout_graceful_shutdown is None:
        # uvicorn hands it to asyncio as it is; a fraction works, although the annotation is int.
        config.timeout_graceful_shutdown = settings.uvicorn_graceful_shutdown_timeout_s  # type: ignore[assignment]
    if config.port and config.uds is None and config.fd is None:
        host = ANY_ADDRESS.get(config.host, config.host)
        scheme = "https" if config.is_ssl else "http"
        address.origin = f"{scheme}://{f'[{host}]' if ':' in host else host}:{config.port}"
