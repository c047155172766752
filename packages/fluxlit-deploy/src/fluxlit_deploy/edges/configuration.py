"""The files of an edge, rendered from its plan."""

from __future__ import annotations

from pathlib import PurePosixPath

from fluxlit_deploy.description import Project
from fluxlit_deploy.edges import headers
from fluxlit_deploy.edges.options import edge_plan
from fluxlit_deploy.edges.plan import EdgePlan
from fluxlit_deploy.file import File
from fluxlit_deploy.options import Options
from fluxlit_deploy.template import render

FILES = {
    "nginx": {"fluxlit.conf": "nginx/fluxlit.conf", "site.conf": "nginx/site.conf"},
    "caddy": {"Caddyfile": "caddy/Caddyfile"},
    "traefik": {"traefik.yml": "traefik/traefik.yml", "dynamic.yml": "traefik/dynamic.yml"},
    "haproxy": {"haproxy.cfg": "haproxy/haproxy.cfg"},
}


def configuration(edge: EdgePlan) -> tuple[File, ...]:
    """Make the files of one edge, with paths relative to its own folder."""
    return tuple(
        File(PurePosixPath(name), render(f"edges/{template}", edge=edge, headers=headers))
        for name, template in FILES[edge.engine].items()
    )


def edge_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make the configuration below ``edge/ENGINE/``.

    Raises:
        DeployError: ``[build.edge]``, the project and the options do not fit each other.
    """
    plan = edge_plan(project, options)
    folder = PurePosixPath("edge") / plan.engine
    return tuple(File(folder / file.path, file.text) for file in configuration(plan))
