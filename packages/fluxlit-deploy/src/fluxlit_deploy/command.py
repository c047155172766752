"""The command line of `fluxlit build`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fluxlit_deploy import advice, dockerignore, generators, ignore_check, resolution, writer
from fluxlit_deploy.base import REFRESH
from fluxlit_deploy.description import Project, inspect_project
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.file import File
from fluxlit_deploy.finding import Finding
from fluxlit_deploy.options import Edge, Options, PathMode, Platform
from fluxlit_deploy.writer import Change

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET",
        help="The FluxLit object: module:attribute or path/to/file.py:attribute. "
        "By default FLUXLIT_APP, else target in the project file, else app:app.",
        show_default=False,
    ),
]

# What to write. A new kind of files adds its option here and its line in `generators`.
Compose = Annotated[
    bool,
    typer.Option("--compose", help="Also write a Compose file with Redis and an edge (--edge, else nginx)."),
]
Kubernetes = Annotated[
    bool, typer.Option("--kubernetes", help="Also write manifests for Kustomize, by [build.kubernetes].")
]
Helm = Annotated[bool, typer.Option("--helm", help="Also write a Helm chart, by [build.kubernetes].")]
PlatformName = Annotated[
    Platform | None, typer.Option("--platform", help="Also write what this platform wants.", show_default=False)
]
EdgeName = Annotated[
    Edge | None, typer.Option("--edge", help="Also configure this reverse proxy in front.", show_default=False)
]
Mode = Annotated[
    PathMode | None,
    typer.Option(
        "--path-mode",
        help="What the edge does with the public prefix: there is none (root), removed (strip), forwarded (full).",
        show_default=False,
    ),
]

# Where and how to write.
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.", metavar="FOLDER")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there and differ.")]
Diff = Annotated[bool, typer.Option("--diff", help="Show what would change; write nothing.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Name the files that would be written; write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

# Instead of writing.
Check = Annotated[bool, typer.Option("--check", help="Check the files that are there and explain each finding.")]
Refresh = Annotated[bool, typer.Option("--refresh-base", help="Explain how to renew the digest of the base image.")]


def build(
    target: Target = None,
    *,
    compose: Compose = False,
    kubernetes: Kubernetes = False,
    helm: Helm = False,
    platform: PlatformName = None,
    edge: EdgeName = None,
    path_mode: Mode = None,
    output: Output = Path(),
    force: Force = False,
    diff: Diff = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    check: Check = False,
    refresh_base: Refresh = False,
) -> int:
    """Write what it takes to ship an application, or check what is there.

    Without options that is a Dockerfile and a .dockerignore. No existing file is changed without
    --force, and when one file cannot be written, none is.
    """
    if refresh_base:
        typer.echo(REFRESH)
        return 0
    try:
        project = inspect_project(Path.cwd(), target, output)
        if check:
            found = [*generators.check(project, output), *resolution.check(project, Path.cwd())]
            if not (output / "Dockerfile").is_file():
                # Nothing is written yet: what a build would find.
                found += _context(project, generators.generate(project, Options()))
            return _report(sorted(found, key=lambda each: each.severity != "error"), as_json=as_json)
        options = Options(
            compose=compose, kubernetes=kubernetes, helm=helm, platform=platform, edge=edge, path_mode=path_mode
        )
        files = generators.generate(project, options)
        changes = writer.plan(files, output)
        findings = (*advice.advise(project, redis=compose), *_context(project, files))
        wrong = any(finding.severity == "error" for finding in findings)
        writes = not (diff or dry_run or wrong)
        if writes:
            writer.write(changes, force=force)
    except DeployError as error:
        return _refuse(str(error), as_json=as_json)
    if as_json:
        typer.echo(json.dumps(_answer(changes, findings, written=writes, diff=diff), indent=2))
    else:
        _show(findings, changes, written=writes, diff=diff)
    return 1 if wrong else 0


def _context(project: Project, files: Sequence[File]) -> Iterator[Finding]:
    """Yield what is wrong with the files that the image would get."""
    written = next((each.text for each in files if str(each.path) == dockerignore.FILE), None)
    if written is None:
        return
    patterns = dockerignore.read_ignore(written)
    yield from ignore_check.check_context(Path.cwd(), patterns)
    yield from ignore_check.kept_out_by_git(project, Path.cwd(), patterns)


def _refuse(message: str, *, as_json: bool) -> int:
    typer.echo(json.dumps({"error": message}) if as_json else f"error: {message}", err=not as_json)
    return 1


def _report(findings: Sequence[Finding], *, as_json: bool) -> int:
    failed = any(finding.severity == "error" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"findings": [_fields(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo(_count(findings))
    return 1 if failed else 0


def _count(findings: Sequence[Finding]) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    return counts if findings else "Nothing to say."


def _show(findings: Sequence[Finding], changes: Sequence[Change], *, written: bool, diff: bool) -> None:
    for finding in findings:
        typer.echo(str(finding), err=True)
    if any(finding.severity == "error" for finding in findings):
        typer.echo("error: Nothing was written.", err=True)
    elif diff:
        sys.stdout.write("".join(change.diff() for change in changes))
    else:
        words = _DONE if written else _WOULD_BE
        for change in changes:
            typer.echo(f"{words[change.status]} {change.path}")


_WOULD_BE = {"new": "would write", "same": "unchanged", "differs": "would replace"}
_DONE = {"new": "wrote", "same": "unchanged", "differs": "replaced"}


def _answer(changes: Sequence[Change], findings: Sequence[Finding], *, written: bool, diff: bool) -> dict[str, Any]:
    files = [
        {"path": str(change.path), "status": change.status} | ({"diff": change.diff()} if diff else {})
        for change in changes
    ]
    return {"written": written, "files": files, "findings": [_fields(finding) for finding in findings]}


def _fields(finding: Finding) -> dict[str, Any]:
    return dict(vars(finding))
