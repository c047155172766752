"""`fluxlit pages list`, `manifest` and `validate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluxlit.errors import TargetError
from fluxlit.pages.manifest import manifest, manifest_json
from fluxlit.settings import resolve
from fluxlit_cli import exit_codes, output
from fluxlit_cli.doctor.application import page_titles, pages_valid, ui_present
from fluxlit_cli.doctor.check import Check, Status
from fluxlit_cli.doctor.runner import Result, examine
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.project import open_project
from fluxlit_cli.run import Target

if TYPE_CHECKING:
    from fluxlit import FluxLit

Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")]


def list_pages(target: Target = None) -> int:
    """List the pages in the order of the navigation: path, title and where the page comes from."""
    application = _application(target)
    pages = manifest(application.pages, root=Path.cwd())["pages"]
    widths = [max((len(str(page[key])) for page in pages), default=0) for key in ("path", "title")]
    for page in pages:
        marks = [word for word in ("landing", "hidden") if page[word]]
        line = f"{page['path']:<{widths[0]}}  {page['title']:<{widths[1]}}  {page['source']}"
        output.say(f"{line}  ({', '.join(marks)})" if marks else line)
    return exit_codes.SUCCESS


def print_manifest(target: Target = None) -> int:
    """Print everything about the pages as JSON; the same application always gives the same text."""
    application = _application(target)
    settings = resolve(arguments=application.setting_arguments).settings
    output.say(manifest_json(application.pages, title=settings.title, root=Path.cwd()).rstrip())
    return exit_codes.SUCCESS


def validate(target: Target = None, *, strict: Strict = False) -> int:
    """Check that every page can be reached and run, without starting anything.

    Exit code 1: a page is wrong, or, with --strict, there is a warning.
    """
    application = _application(target)
    subject = Subject(target)
    subject.open()
    if subject.settings_error is not None:
        raise subject.settings_error
    results = [_examined(name, subject) for name in ("ui-present", "pages-valid", "page-titles")]
    for result in results:
        outcome = result.outcome
        if outcome.status is Status.FAIL:
            output.error(f"{outcome.detail} {outcome.remedy}")
        elif outcome.status is Status.WARN:
            output.warning(f"{outcome.detail} {outcome.remedy}")
    if _bad(results, strict=strict):
        return exit_codes.FAILURE
    output.say(f"{len(application.pages)} pages are right")
    return exit_codes.SUCCESS


def _examined(name: str, subject: Subject) -> Result:
    functions = {"ui-present": ui_present, "pages-valid": pages_valid, "page-titles": page_titles}
    check = Check(name, name, functions[name])
    return Result(check, examine(check, subject), 0.0)


def _bad(results: Sequence[Result], *, strict: bool) -> bool:
    found = {result.outcome.status for result in results}
    return Status.FAIL in found or (strict and Status.WARN in found)


def _application(target: str | None) -> FluxLit:
    project = open_project(target)
    if project.application is None:
        raise TargetError(project.target, project.problem)
    return project.application
