"""The gateway: which part of FluxLit a request is for, and what that part is told about its sender."""

from fluxlit.gateway.application import Gateway
from fluxlit.gateway.assets import Assets
from fluxlit.gateway.dispatch import Map, closed_prefixes
from fluxlit.gateway.forwarding import Trust
from fluxlit.gateway.gate import Gate
from fluxlit.gateway.guard import Rules
from fluxlit.gateway.origin import OriginPolicy, PublicOrigin
from fluxlit.gateway.security import SecurityHeaders

__all__ = [
    "Assets",
    "Gate",
    "Gateway",
    "Map",
    "OriginPolicy",
    "PublicOrigin",
    "Rules",
    "SecurityHeaders",
    "Trust",
    "closed_prefixes",
]
