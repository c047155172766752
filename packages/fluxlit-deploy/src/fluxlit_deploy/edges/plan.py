"""`EdgePlan`: every value of an edge's configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fluxlit_deploy.options import Edge, PathMode

UPLOAD_MB = 200
"""Streamlit's own limit for uploads (server.maxUploadSize) in megabytes."""

_HEADROOM_MIB = 56


@dataclass(frozen=True)
class EdgePlan:
    """Every value of an edge's configuration.

    Attributes:
        engine: which reverse proxy.
        mode: what it does with the public prefix.
        upstreams: addresses of FluxLit, ``host:port``.
        address: address to listen on; empty for all.
        port: port to listen on.
        prefix: the public prefix, empty in mode ``root``.
        prefix_example: a prefix for a comment.
        host: name under which browsers know the application; empty for any.
        tls: the edge ends TLS.
        certificate: file with the certificate and its chain.
        key: file with the key.
        affinity: a cookie keeps a browser on its replica.
        upload_mb: Streamlit's limit for uploads.
        readiness: path of the readiness probe, as FluxLit sees it.
        from_environment: the values are variables that the edge or its image fills in.
        container_names: the upstreams are names of containers, which come and go; Docker's name server knows them.
    """

    engine: Edge
    mode: PathMode
    upstreams: tuple[str, ...]
    address: str
    port: str
    prefix: str
    prefix_example: str
    host: str = ""
    tls: bool = False
    certificate: str = "certificates/edge.crt"
    key: str = "certificates/edge.key"
    affinity: bool = False
    upload_mb: int = UPLOAD_MB
    readiness: str = "/api/readyz"
    from_environment: bool = False
    container_names: bool = False

    @property
    def body_mib(self) -> int:
        """Largest request body: above Streamlit's limit, which users should meet."""
        return self.upload_mb + _HEADROOM_MIB

    @property
    def listen(self) -> str:
        """Where to listen, as nginx, Traefik and HAProxy write it."""
        return f"{self.address}:{self.port}" if self.address or self.engine != "nginx" else self.port

    @property
    def site(self) -> str:
        """Address of Caddy's site: a name with automatic TLS, else a port."""
        return self.host if self.automatic_tls else f":{self.port}"

    @property
    def automatic_tls(self) -> bool:
        """Caddy gets the certificate."""
        return self.tls and self.engine == "caddy" and bool(self.host) and not self.certificate

    @property
    def prefix_pattern(self) -> str:
        """The prefix in a regular expression."""
        return self.prefix if self.from_environment else re.escape(self.prefix)
