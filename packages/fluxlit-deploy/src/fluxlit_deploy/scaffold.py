"""Deployment files of a new project, an entry point for `fluxlit new`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxlit_deploy.dependencies import Dependencies, LockKind
from fluxlit_deploy.description import Project, slug
from fluxlit_deploy.dockerignore import Ignored
from fluxlit_deploy.generators import generate
from fluxlit_deploy.options import Options


def files(facts: Mapping[str, Any]) -> dict[str, str]:
    """Make the deployment files of a project that does not exist yet.

    Args:
        facts: ``name``, ``title``, ``target``, and perhaps ``login`` and ``settings`` of the project.

    Returns:
        Texts by path in the project.
    """
    project = Project(
        name=slug(str(facts["name"])),
        title=str(facts["title"]),
        target=str(facts["target"]),
        dependencies=Dependencies(LockKind.UNHASHED, "requirements.txt", has_command=True),
        login=bool(facts.get("login")),
        settings=dict(facts.get("settings", {})),
        # As the .gitignore of a new project has it.
        ignored=Ignored(git=("**/*.db*",)),
    )
    return {str(file.path): file.text for file in generate(project, Options(compose=True))}
