"""A reverse proxy as an ASGI application, without Streamlit or FastAPI."""

from fluxlit.proxy.errors import (
    UpstreamBusyError,
    UpstreamDisconnectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from fluxlit.proxy.reverse_proxy import ReverseProxy
from fluxlit.proxy.upstream_address import Address
from fluxlit.proxy.upstream_metrics import UpstreamMetrics
from fluxlit.proxy.upstream_pool import ProxyLimits, Upstream

__all__ = [
    "Address",
    "ProxyLimits",
    "ReverseProxy",
    "Upstream",
    "UpstreamBusyError",
    "UpstreamDisconnectedError",
    "UpstreamError",
    "UpstreamMetrics",
    "UpstreamProtocolError",
    "UpstreamTimeoutError",
    "UpstreamUnreachableError",
]
