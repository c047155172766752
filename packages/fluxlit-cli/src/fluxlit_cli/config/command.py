"""`fluxlit config` and `fluxlit config schema`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fluxlit.errors import SettingsError
from fluxlit.settings import Resolved, describe, resolve
from fluxlit_cli import exit_codes, output
from fluxlit_cli.config import report
from fluxlit_cli.config.hazards import Hazard
from fluxlit_cli.config.schema import schema_text
from fluxlit_cli.config.strict import dangers
from fluxlit_cli.options import with_settings
from fluxlit_cli.project import Project, open_project
from fluxlit_cli.run import Target

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Strict = Annotated[bool, typer.Option("--strict", help="Leave with exit code 1 if there is any warning.")]
ShowSecrets = Annotated[bool, typer.Option("--show-secrets", help="Print keys and passwords instead of ***.")]
DiffDefault = Annotated[bool, typer.Option("--diff-default", help="Only what is not as it would be without you.")]
Shadowed = Annotated[bool, typer.Option("--shadowed", help="Also what weaker layers say in vain.")]
Get = Annotated[str | None, typer.Option("--get", metavar="SETTING", help="Print one value and nothing else.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output."),
]


@with_settings
def config(
    target: Target = None,
    *,
    get: Get = None,
    diff_default: DiffDefault = False,
    shadowed: Shadowed = False,
    as_json: AsJson = False,
    strict: Strict = False,
    show_secrets: ShowSecrets = False,
    flags: Mapping[str, object],
) -> int:
    """Show every setting that is in force, and where its value came from.

    The options of `fluxlit run` are understood, so that you can try one out. Dangerous combinations are
    named, each with an id that does not change. Exit code 1: a setting is wrong or gives the application
    away, or, with --strict, there is any warning.
    """
    if get is not None:
        get = _known(get)
    project = open_project(target, flags)
    try:
        resolved = resolve(flags=_all(flags, target), arguments=project.arguments)
    except SettingsError as error:
        if not as_json:
            raise
        _print_json(_failure(project.target, error))
        return exit_codes.FAILURE
    listed = report.entries(resolved, show_secrets=show_secrets)
    if get is not None:
        output.say(report.text_of(next(entry.value for entry in listed if entry.name == get)))
        return exit_codes.SUCCESS
    if diff_default:
        listed = [entry for entry in listed if entry.differs]
    found = [*_not_loaded(project, target), *dangers(project, resolved)]
    if as_json:
        _print_json(report.document(project.target, _file(resolved), listed, found))
    else:
        _print_text(listed, found, with_shadowed=shadowed)
    verdict = report.status(found)
    return exit_codes.FAILURE if verdict == "fail" or (strict and verdict == "warn") else exit_codes.SUCCESS


def config_schema(output_file: Output = None) -> int:
    """Write a JSON Schema for fluxlit.toml, with which editors complete and check it.

    Editors with Taplo or Tombi (for VS Code: "Even Better TOML") use it when the first line of fluxlit.toml
    is `#:schema ./fluxlit.schema.json`.
    """
    if output_file is None:
        output.say(schema_text().rstrip())
        return exit_codes.SUCCESS
    try:
        output_file.write_text(schema_text(), "utf-8")
    except OSError as error:
        output.error(f"{output_file} cannot be written: {error.strerror or error}")
        return exit_codes.FAILURE
    output.note(f"Wrote {output_file}. Let fluxlit.toml begin with the line: #:schema ./{output_file.name}")
    return exit_codes.SUCCESS


def _known(name: str) -> str:
    if name in describe.SETTINGS:
        return name
    meant = describe.nearest(name, describe.SETTINGS)
    raise typer.BadParameter(
        f"there is no setting {name!r}." + (f" Did you mean {meant!r}?" if meant else ""), param_hint="'--get'"
    )


def _all(flags: Mapping[str, object], target: str | None) -> dict[str, object]:
    return {**flags, **({"target": target} if target else {})}


def _not_loaded(project: Project, asked_for: str | None) -> Sequence[Hazard]:
    """Warn that the layer of the code is missing; it is an error if this target was asked for by name."""
    if project.application is not None:
        return ()
    return (
        Hazard(
            "target-not-loaded",
            "error" if asked_for else "warning",
            ("target",),
            f"the arguments of FluxLit(...) are not taken into account. {project.problem}",
            "Run the command where the application is, or name it.",
        ),
    )


def _file(resolved: Resolved) -> str | None:
    return os.path.relpath(resolved.project_file) if resolved.project_file else None


def _failure(target: str, error: SettingsError) -> dict[str, Any]:
    problems = [{"setting": each.setting, "message": each.message, "where": each.where} for each in error.problems]
    return {"status": "fail", "target": target, "problems": problems}


def _print_json(document: Mapping[str, Any]) -> None:
    output.say(json.dumps(document, indent=2, ensure_ascii=False))


def _print_text(listed: Sequence[report.Entry], found: Sequence[Hazard], *, with_shadowed: bool) -> None:
    for line in report.lines(listed, with_shadowed=with_shadowed):
        output.say(line)
    report.tell(found)
