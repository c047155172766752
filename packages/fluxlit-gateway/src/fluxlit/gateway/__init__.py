"""The gateway: which part of FluxLit a request is for, and what that part is told about its sender."""

from fluxlit.gateway.forwarding import Trust
from fluxlit.gateway.origin_policy import OriginPolicy, PublicOrigin
from fluxlit.gateway.router import Gateway
from fluxlit.gateway.routes import Map, closed_prefixes
from fluxlit.gateway.security_headers import SecurityHeaders
from fluxlit.gateway.static_assets import Assets

__all__ = [
    "Assets",
    "Gateway",
    "Map",
    "OriginPolicy",
    "PublicOrigin",
    "SecurityHeaders",
    "Trust",
    "closed_prefixes",
]
