"""Generate a Compose file and the edge beside it."""

from __future__ import annotations

from fluxlit_deploy.compose.options import compose_table
from fluxlit_deploy.compose.plan import FOLDER, make_plan
from fluxlit_deploy.description import Project
from fluxlit_deploy.edges import configuration
from fluxlit_deploy.file import File
from fluxlit_deploy.options import Options
from fluxlit_deploy.template import render_file


def compose_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make ``compose.yaml``, and its edge below ``edge/compose/``.

    Raises:
        DeployError: ``[build.compose]``, ``[build.edge]``, the project and the options do not fit each other.
    """
    plan = make_plan(project, compose_table(project.build.compose), options)
    edge = (File(FOLDER / plan.engine / file.path, file.text) for file in configuration(plan.edge))
    return (render_file("compose.yaml", "compose/compose.yaml", plan=plan), *edge)
