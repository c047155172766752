"""A reverse proxy as an ASGI application. It knows neither Streamlit nor FastAPI."""

from fluxlit.proxy.address import Address
from fluxlit.proxy.application import ReverseProxy
from fluxlit.proxy.errors import (
    UpstreamBusyError,
    UpstreamDisconnectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from fluxlit.proxy.meter import Meter
from fluxlit.proxy.upstream import ProxyLimits, Upstream

__all__ = [
    "Address",
    "Meter",
    "ProxyLimits",
    "ReverseProxy",
    "Upstream",
    "UpstreamBusyError",
    "UpstreamDisconnectedError",
    "UpstreamError",
    "UpstreamProtocolError",
    "UpstreamTimeoutError",
    "UpstreamUnreachableError",
]
