"""A start that an operator wants to be refused when anything about its settings is dangerous."""

from __future__ import annotations

from collections.abc import Mapping

from fluxlit.settings import Resolved, resolve
from fluxlit_cli import output
from fluxlit_cli.config import report
from fluxlit_cli.config.hazards import Hazard, hazards
from fluxlit_cli.project import Project, open_project


def dangers(project: Project, resolved: Resolved) -> list[Hazard]:
    """What is dangerous about an application with its settings, errors first."""
    login = project.application is not None and bool(project.application.authenticators)
    return hazards(resolved.settings, resolved.sources, login=login)


def objects(target: str | None, flags: Mapping[str, object]) -> bool:
    """Say what `fluxlit config --strict` would object to, and whether it would.

    An application that cannot be imported is left to the start, which says why.

    Raises:
        SettingsError: a setting is wrong.
    """
    project = open_project(target, flags)
    found = dangers(project, resolve(flags=dict(flags), arguments=project.arguments))
    report.tell(found)
    if found:
        output.error("Nothing was started, because of --strict.")
    return bool(found)
