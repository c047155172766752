"""`Options`: the options of `fluxlit build` about what to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Edge = Literal["nginx", "caddy", "traefik", "haproxy"]
EDGES: tuple[Edge, ...] = get_args(Edge)

Platform = Literal["systemd", "fly", "render", "cloud-run", "azure"]
PLATFORMS: tuple[Platform, ...] = get_args(Platform)

PathMode = Literal["root", "strip", "full"]
PATH_MODES: tuple[PathMode, ...] = get_args(PathMode)


@dataclass(frozen=True)
class Options:
    """What to write.

    Attributes:
        image: a Dockerfile and a .dockerignore.
        compose: a Compose file, and the configuration of its edge.
        kubernetes: manifests for Kustomize.
        helm: a Helm chart.
        platform: the platform to write files for, `None` for none.
        edge: the reverse proxy to configure, `None` for none; with `compose` the one of that file, by default nginx.
        path_mode: what the edge does with the public prefix; `None` for what the root path suggests.
    """

    image: bool = True
    compose: bool = False
    kubernetes: bool = False
    helm: bool = False
    platform: Platform | None = None
    edge: Edge | None = None
    path_mode: PathMode | None = None
