"""Gateway: routing, forwarding headers, origin policy, static assets."""

from fluxlit.gateway.forwarding import Trust
from fluxlit.gateway.origin_policy import OriginPolicy, PublicOrigin
from fluxlit.gateway.router import Gateway
from fluxlit.gateway.routes import RouteTable, closed_prefixes
from fluxlit.gateway.security_headers import SecurityHeaders
from fluxlit.gateway.static_assets import Assets

__all__ = [
    "Assets",
    "Gateway",
    "OriginPolicy",
    "PublicOrigin",
    "RouteTable",
    "SecurityHeaders",
    "Trust",
    "closed_prefixes",
]
