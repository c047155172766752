"""Reverse proxies: nginx, Caddy, Traefik and HAProxy before FluxLit."""

from fluxlit_deploy.edges.check import check
from fluxlit_deploy.edges.configuration import configuration, edge_files
from fluxlit_deploy.edges.plan import EdgePlan

__all__ = ["EdgePlan", "check", "configuration", "edge_files"]
