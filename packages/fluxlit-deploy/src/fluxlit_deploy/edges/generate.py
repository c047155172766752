"""Generate the files of an edge."""

from __future__ import annotations

from pathlib import PurePosixPath

from fluxlit_deploy.description import Project
from fluxlit_deploy.edges.configuration import configuration
from fluxlit_deploy.edges.options import edge_plan
from fluxlit_deploy.file import File
from fluxlit_deploy.options import Options


def edge_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make the configuration below ``edge/ENGINE/``.

    Raises:
        DeployError: ``[build.edge]``, the project and the options do not fit each other.
    """
    plan = edge_plan(project, options)
    folder = PurePosixPath("edge") / plan.engine
    return tuple(File(folder / file.path, file.text) for file in configuration(plan))
