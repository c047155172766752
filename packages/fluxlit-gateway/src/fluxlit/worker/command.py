"""The commands of worker processes; importing them takes no time."""

from __future__ import annotations

import sys

from fluxlit.supervisor.spawn import Command

_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    # The gateway bounds the heads of handshakes. The library of WebSockets allows 8 KiB a line and 128 headers, and
    # never responds to more: a browser with large login cookies would see an empty page.
    "WEBSOCKETS_MAX_LINE_LENGTH": "1048576",
    "WEBSOCKETS_MAX_NUM_HEADERS": "10000",
}

# Secrets of FluxLit itself. What a worker needs of them comes over the channel; all other variables are the
# application's, and reach its pages as under `streamlit run`.
_WITHHELD = frozenset({"FLUXLIT_OIDC_CLIENT_SECRET", "FLUXLIT_SECRET_KEY", "FLUXLIT_TLS_KEY_PASSWORD"})

WORKER = Command([sys.executable, "-m", "fluxlit.worker"], _ENVIRONMENT, _WITHHELD)
"""Serves the pages by Streamlit."""

API_WORKER = Command([sys.executable, "-m", "fluxlit.server.api_worker"], _ENVIRONMENT, _WITHHELD)
"""Serves the API."""
