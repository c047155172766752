"""`fluxlit config` and `fluxlit config schema`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fluxlit.errors import SettingsError
from fluxlit.settings import Resolved, Settings, describe, resolve
from fluxlit_cli import exit_codes, output
from fluxlit_cli.config import report
from fluxlit_cli.config.strict import risks_of
from fluxlit_cli.finding import Finding, Status, print_problems, worst
from fluxlit_cli.options import completion, with_settings
from fluxlit_cli.project import Project, open_project
from fluxlit_cli.run import Target

# What editors' TOML language servers (Taplo, Tombi) understand best.
DIALECT = "http://json-schema.org/draft-07/schema#"
_TYPES = {"bool": "boolean", "int": "integer", "float": "number", "list": "array", "table": "object"}

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with code 1 if there is any warning.")]
ShowSecrets = Annotated[bool, typer.Option("--show-secrets", help="Print keys and passwords instead of ***.")]
DiffDefault = Annotated[
    bool, typer.Option("--diff-default", help="Show only settings that differ from their defaults.")
]
Shadowed = Annotated[bool, typer.Option("--shadowed", help="Also show overridden values.")]
Get = Annotated[
    str | None,
    typer.Option(
        "--get",
        metavar="SETTING",
        help="Print the value of one setting only.",
        autocompletion=completion(describe.SETTINGS),
    ),
]
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
    """Show every setting and the source of its value.

    Accepts the options of `fluxlit run`, to try them out. Dangerous combinations are reported, each with a stable id.
    Exit code 1: a setting is invalid or exposes the application, or, with --strict, there is any warning.
    """
    if get is not None:
        get = _setting(get)
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
        output.write(report.format_value(next(entry.value for entry in listed if entry.name == get)))
        return exit_codes.SUCCESS
    if diff_default:
        listed = [entry for entry in listed if entry.differs]
    found = [*_not_loaded(project, target), *risks_of(project, resolved)]
    if as_json:
        _print_json(report.document(project.target, _file(resolved), listed, found))
    else:
        _print_text(listed, found, with_shadowed=shadowed)
    status = worst(found)
    bad = status is Status.FAIL or (strict and status is Status.WARN)
    return exit_codes.FAILURE if bad else exit_codes.SUCCESS


def config_schema(output_file: Output = None) -> int:
    """Write a JSON Schema of fluxlit.toml for editors.

    Editors with Taplo or Tombi (for VS Code: "Even Better TOML") use it when the first line of fluxlit.toml
    is `#:schema ./fluxlit.schema.json`.
    """
    if output_file is None:
        output.write(schema_text().rstrip())
        return exit_codes.SUCCESS
    try:
        output_file.write_text(schema_text(), "utf-8")
    except OSError as error:
        output.error(f"{output_file} cannot be written: {error.strerror or error}")
        return exit_codes.FAILURE
    output.note(f"Wrote {output_file}. Add this first line to fluxlit.toml: #:schema ./{output_file.name}")
    return exit_codes.SUCCESS


def _setting(name: str) -> str:
    if name in describe.SETTINGS:
        return name
    meant = describe.nearest_setting(name)
    raise typer.BadParameter(
        f"there is no setting {name!r}." + (f" Did you mean {meant!r}?" if meant else ""), param_hint="'--get'"
    )


def _all(flags: Mapping[str, object], target: str | None) -> dict[str, object]:
    return {**flags, **({"target": target} if target else {})}


def _not_loaded(project: Project, target: str | None) -> Sequence[Finding]:
    """Report that the code is not loaded; an error for a given target."""
    if project.application is not None:
        return ()
    return (
        Finding(
            Status.FAIL if target else Status.WARN,
            f"the arguments of FluxLit(...) are ignored. {project.problem}",
            "Run the command in the folder of the application, or pass its target.",
            "target-not-loaded",
            ("target",),
        ),
    )


def _file(resolved: Resolved) -> str | None:
    return os.path.relpath(resolved.project_file) if resolved.project_file else None


def _failure(target: str, error: SettingsError) -> dict[str, Any]:
    problems = [{"setting": each.setting, "message": each.message, "where": each.where} for each in error.problems]
    return {"status": "fail", "target": target, "problems": problems}


def _print_json(document: Mapping[str, Any]) -> None:
    output.write(json.dumps(document, indent=2, ensure_ascii=False))


def _print_text(listed: Sequence[report.Entry], found: Sequence[Finding], *, with_shadowed: bool) -> None:
    for line in report.lines(listed, with_shadowed=with_shadowed):
        output.write(line)
    print_problems(found)


def schema() -> dict[str, Any]:
    """Return the schema; it checks each setting on its own."""
    return {
        "$schema": DIALECT,
        "title": "fluxlit.toml",
        "description": "Settings of a FluxLit application.",
        "type": "object",
        "additionalProperties": False,
        "properties": {setting: _property(setting) for setting in describe.SETTINGS},
    }


def schema_text() -> str:
    """Return the schema as indented JSON that ends with a line break."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _property(setting: str) -> dict[str, Any]:
    field = Settings.model_fields[setting]
    described = {"description": re.sub(r"\s+", " ", field.description or ""), **_form(setting)}
    if not describe.is_secret(setting) and field.default is not None:
        described["default"] = json.loads(json.dumps(field.default))
    return described


def _form(setting: str) -> Mapping[str, Any]:
    kind = describe.kind(setting)
    if kind == "choice":
        return {"enum": list(describe.choices(setting))}
    form: dict[str, Any] = {"type": _TYPES.get(kind, "string"), **describe.limits(setting)}
    if kind == "list":
        # A comma-separated string is a list, too.
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}
    if word := describe.facts(setting).get("word"):
        return {"anyOf": [form, {"const": word}]}
    return form
