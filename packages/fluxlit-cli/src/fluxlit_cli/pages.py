"""`fluxlit pages list`, `manifest` and `validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluxlit.errors import TargetError
from fluxlit.pages.manifest import manifest, manifest_json
from fluxlit.settings import resolve
from fluxlit_cli import exit_codes, output
from fluxlit_cli.doctor.application import CHECKS, script_pages
from fluxlit_cli.doctor.runner import examine
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Status, print_problems, worst
from fluxlit_cli.project import open_project
from fluxlit_cli.run import Target

if TYPE_CHECKING:
    from fluxlit import FluxLit

Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")]


def list_pages(target: Target = None) -> int:
    """List the pages in navigation order: path, title and source.

    Of an adopted script, those that its text shows.
    """
    application = _application(target)
    if application.ui_script is not None:
        for path, source in script_pages(application.ui_script):
            output.write(f"{path}  {source}")
        return exit_codes.SUCCESS
    pages = manifest(application.pages, root=Path.cwd())["pages"]
    widths = [max((len(str(page[key])) for page in pages), default=0) for key in ("path", "title")]
    for page in pages:
        marks = [word for word in ("landing", "hidden") if page[word]]
        line = f"{page['path']:<{widths[0]}}  {page['title']:<{widths[1]}}  {page['source']}"
        output.write(f"{line}  ({', '.join(marks)})" if marks else line)
    return exit_codes.SUCCESS


def print_manifest(target: Target = None) -> int:
    """Print the pages as JSON.

    The output is stable: the same application always gives the same document.
    """
    application = _application(target)
    settings = resolve(arguments=application.setting_arguments).settings
    output.write(manifest_json(application.pages, title=settings.title, root=Path.cwd()).rstrip())
    return exit_codes.SUCCESS


def validate(target: Target = None, *, strict: Strict = False) -> int:
    """Check the pages without starting anything.

    Exit code 1: a page is invalid, or, with --strict, there is a warning.
    """
    application = _application(target)
    subject = Subject(target)
    subject.open()
    if subject.settings_error is not None:
        raise subject.settings_error
    checks = [each for each in CHECKS if each.name in {"ui-present", "pages-valid", "page-titles"}]
    findings = [examine(each, subject) for each in checks]
    print_problems(findings)
    status = worst(findings)
    if status is Status.FAIL or (strict and status is Status.WARN):
        return exit_codes.FAILURE
    script = application.ui_script
    pages = application.pages if script is None else list(script_pages(script))
    count = output.counted(len(pages), "page")
    output.write(f"{count} checked, no problems found")
    return exit_codes.SUCCESS


def _application(target: str | None) -> FluxLit:
    project = open_project(target)
    if project.application is None:
        raise TargetError(project.target, project.problem)
    return project.application
