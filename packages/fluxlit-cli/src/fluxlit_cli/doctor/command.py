"""`fluxlit doctor`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from fluxlit.settings import describe
from fluxlit_cli import exit_codes, output, version
from fluxlit_cli.doctor import report
from fluxlit_cli.doctor.check import Check, Status
from fluxlit_cli.doctor.registry import all_checks
from fluxlit_cli.doctor.runner import LIMIT_S, Result, run, verdict
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.options import with_settings
from fluxlit_cli.run import Target

Only = Annotated[
    list[str] | None,
    typer.Option("--check", "-c", metavar="NAME", help="Run this check only; may be repeated, or hold commas."),
]
Listed = Annotated[bool, typer.Option("--list", help="List the checks and run none.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also what was not examined, how long each took, and what it is for.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as failures.")]
Lenient = Annotated[bool, typer.Option("--warnings-only", help="Count failures as warnings: exit code 0.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Examine the deployment at this public address, with its prefix, from outside instead.",
        show_default=False,
    ),
]
Limit = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        show_default=False,
        help=f"Time for each check. [default: {LIMIT_S:g}]",
    ),
]


@with_settings
def doctor(
    target: Target = None,
    *,
    url: Url = None,
    check: Only = None,
    listed: Listed = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    strict: Strict = False,
    warnings_only: Lenient = False,
    timeout: Limit = LIMIT_S,
    flags: Mapping[str, object],
) -> int:
    """Look for what would keep an application from running well here.

    Each check prints PASS, WARN or FAIL, and what to do. They run side by side and change nothing; the
    session store gets one session, which is removed. Exit code 1: a check failed, or, with --strict, warned.
    The options of `fluxlit run` are understood. With --url a running deployment is examined from outside:
    nothing of this machine's project is looked at.
    """
    with contextlib.redirect_stdout(sys.stderr):  # what applications and checks of others print is not ours
        chosen = select(all_checks() if url is None else outside_checks(url, timeout, flags), check)
    if listed:
        _list(chosen)
        return exit_codes.SUCCESS
    subject = Subject(target, flags)
    with contextlib.redirect_stdout(sys.stderr):
        results = run(subject, chosen, timeout)
    if as_json:
        details = _details(subject) if verbose and url is None else {}
        name = subject.project.target if url is None else url
        told = report.document(name, results, lenient=warnings_only, details=details)
        output.say(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for line in report.lines(results, verbose=verbose):
            output.say(line)
    return exit_code(results, strict=strict, lenient=warnings_only)


def outside_checks(url: str, timeout: float, flags: Mapping[str, object]) -> list[Check]:
    """Return the checks of a deployment.

    Raises:
        typer.BadParameter: the address is none.
    """
    from fluxlit_cli.doctor.outside import checks_of  # noqa: PLC0415
    from fluxlit_cli.doctor.visitor import Visitor  # noqa: PLC0415

    try:
        visitor = Visitor(url, timeout)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="'--url'") from None
    return checks_of(visitor, str(flags.get("api_mount_path", "/api")))


def select(checks: Sequence[Check], names: Sequence[str] | None) -> list[Check]:
    """Return the checks with these names, in their own order; all without names.

    Raises:
        typer.BadParameter: there is no such check.
    """
    wanted = [name for word in names or () for name in word.split(",") if name]
    known = [check.name for check in checks]
    for name in wanted:
        if name not in known:
            meant = describe.nearest(name, known)
            hint = f" Did you mean {meant!r}?" if meant else " `fluxlit doctor --list` names them all."
            raise typer.BadParameter(f"there is no check {name!r}.{hint}", param_hint="'--check'")
    return [check for check in checks if check.name in wanted] if wanted else list(checks)


def exit_code(results: Sequence[Result], *, strict: bool, lenient: bool) -> int:
    """Return 1 for a failure, and with `strict` for a warning; with `lenient` always 0."""
    worst = verdict(results)
    bad = worst is Status.FAIL or (strict and worst is Status.WARN)
    return exit_codes.FAILURE if bad and not lenient else exit_codes.SUCCESS


def _list(checks: Sequence[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        output.say(f"{check.name:<{width}}  {check.summary}")


def _details(subject: Subject) -> dict[str, Any]:
    from fluxlit_cli.config import report as config_report  # noqa: PLC0415

    found: dict[str, Any] = {"versions": version.describe(), "project_root": str(subject.root)}
    application = subject.project.application
    if application is not None:
        found["pages"] = [record.path for record in application.pages]
    if subject.settings_error is None:
        found["settings"] = {entry.name: entry.value for entry in config_report.entries(subject.resolved)}
    return found
