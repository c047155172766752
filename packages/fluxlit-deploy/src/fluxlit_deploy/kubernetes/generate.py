"""Generate the files of a cluster."""

from __future__ import annotations

from fluxlit_deploy.description import Project
from fluxlit_deploy.file import File
from fluxlit_deploy.kubernetes.chart import chart
from fluxlit_deploy.kubernetes.manifests import manifests
from fluxlit_deploy.kubernetes.options import cluster_table
from fluxlit_deploy.kubernetes.plan import Plan, make_plan
from fluxlit_deploy.options import Options


def manifest_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make the Kustomize base and its overlays.

    Raises:
        DeployError: ``[build.kubernetes]``, the project and the options do not fit each other.
    """
    return manifests(_plan(project, options))


def chart_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make the Helm chart.

    Raises:
        DeployError: as for `manifest_files`.
    """
    return chart(_plan(project, options), project.title or project.name)


def _plan(project: Project, options: Options) -> Plan:
    return make_plan(project, cluster_table(project.build.kubernetes), options.path_mode)
