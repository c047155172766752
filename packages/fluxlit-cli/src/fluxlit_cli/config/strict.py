"""`fluxlit run --strict`: refuse to start with dangerous settings."""

from __future__ import annotations

from collections.abc import Mapping

from fluxlit.settings import Resolved, resolve
from fluxlit_cli import output
from fluxlit_cli.config import rules
from fluxlit_cli.finding import Finding, print_problems
from fluxlit_cli.project import Project, open_project


def risks_of(project: Project, resolved: Resolved) -> list[Finding]:
    """Return the risks of an application with its settings, errors first."""
    login = project.application is not None and bool(project.application.authenticators)
    return rules.check(resolved.settings, resolved.sources, login=login)


def refuses(target: str | None, flags: Mapping[str, object]) -> bool:
    """Print what `fluxlit config --strict` reports; return whether any.

    An application that cannot be imported is not reported here: the start fails with the reason.

    Raises:
        SettingsError: a setting is invalid.
    """
    project = open_project(target, flags)
    found = risks_of(project, resolve(flags=dict(flags), arguments=project.arguments))
    print_problems(found)
    if found:
        output.error("Not started because of --strict.")
    return bool(found)
