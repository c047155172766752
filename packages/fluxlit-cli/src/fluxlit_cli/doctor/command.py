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
from fluxlit_cli.doctor.check import Check
from fluxlit_cli.doctor.client import Client
from fluxlit_cli.doctor.registry import all_checks
from fluxlit_cli.doctor.runner import LIMIT_S, Result, run
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Status, worst
from fluxlit_cli.options import completion, with_settings
from fluxlit_cli.run import Target

LOGIN = ("login", "identity-provider", "provider")
"""Checks of the login. The last is of fluxlit-auth."""


def _complete(incomplete: str) -> list[str]:
    return completion([check.name for check in all_checks()])(incomplete)


Only = Annotated[
    list[str] | None,
    typer.Option(
        "--check",
        "-c",
        metavar="NAME",
        help="Run only this check; may be repeated or a comma list.",
        autocompletion=_complete,
    ),
]
Provider = Annotated[bool, typer.Option("--provider", help="Run only the checks of the login, and show all of them.")]
Listed = Annotated[bool, typer.Option("--list", help="List the checks without running them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also show passed and skipped checks, with durations.")]
Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as failures.")]
Lenient = Annotated[bool, typer.Option("--warnings-only", help="Exit with code 0 despite failures.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Examine the deployment at this public address from outside instead.",
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
    provider: Provider = False,
    listed: Listed = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    strict: Strict = False,
    warnings_only: Lenient = False,
    timeout: Limit = LIMIT_S,
    flags: Mapping[str, object],
) -> int:
    """Check the application, its settings and this machine.

    Prints problems (FAIL, WARN) with their remedies, and counts the rest. Checks run concurrently and change nothing;
    the session store gets one session, which is removed. Exit code 1: a check failed, or, with --strict, warned.
    Accepts the options of `fluxlit run`. With --url a running deployment is examined from outside, and nothing on
    this machine.
    """
    with contextlib.redirect_stdout(sys.stderr):  # output of the application and of other distributions' checks
        known = all_checks() if url is None else deployment_checks(url, timeout, flags)
        if provider:
            check, verbose = [*(check or ()), *(each.name for each in known if each.name in LOGIN)], True
        chosen = select(known, check)
    if url is not None and not listed and Client(url, timeout).connection_problem():
        chosen = deployment_checks(url, timeout, flags)[:1]  # the others would report the same
    if listed:
        _list(chosen)
        return exit_codes.SUCCESS
    subject = Subject(target, flags)
    with contextlib.redirect_stdout(sys.stderr):
        results = run(subject, chosen, timeout)
    if as_json:
        details = _details(subject) if verbose and url is None else {}
        name = subject.project.target if url is None else url
        found = report.document(name, results, lenient=warnings_only, details=details)
        output.write(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for line in report.lines(results, verbose=verbose):
            output.write(line)
    return exit_code(results, strict=strict, lenient=warnings_only)


def deployment_checks(url: str, timeout: float, flags: Mapping[str, object]) -> list[Check]:
    """Return the checks of a deployment.

    Raises:
        typer.BadParameter: the URL is invalid.
    """
    from fluxlit_cli.doctor.client import Client  # noqa: PLC0415
    from fluxlit_cli.doctor.deployment import checks_of  # noqa: PLC0415

    try:
        client = Client(url, timeout)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="'--url'") from None
    return checks_of(client, str(flags.get("api_mount_path", "/api")))


def select(checks: Sequence[Check], names: Sequence[str] | None) -> list[Check]:
    """Return the checks with these names in their order, default all.

    Raises:
        typer.BadParameter: there is no such check.
    """
    wanted = [name for word in names or () for name in word.split(",") if name]
    known = [check.name for check in checks]
    for name in wanted:
        if name not in known:
            meant = describe.nearest(name, known)
            hint = f" Did you mean {meant!r}?" if meant else " `fluxlit doctor --list` lists all checks."
            raise typer.BadParameter(f"there is no check {name!r}.{hint}", param_hint="'--check'")
    return [check for check in checks if check.name in wanted] if wanted else list(checks)


def exit_code(results: Sequence[Result], *, strict: bool, lenient: bool) -> int:
    """Return the exit code: 1 for a failure or, if strict, a warning."""
    status = worst(result.finding for result in results)
    bad = status is Status.FAIL or (strict and status is Status.WARN)
    return exit_codes.FAILURE if bad and not lenient else exit_codes.SUCCESS


def _list(checks: Sequence[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        output.write(f"{check.name:<{width}}  {check.summary}")


def _details(subject: Subject) -> dict[str, Any]:
    from fluxlit_cli.config import report as config_report  # noqa: PLC0415

    found: dict[str, Any] = {"versions": version.describe(), "project_root": str(subject.root)}
    application = subject.project.application
    if application is not None:
        found["pages"] = [record.path for record in application.pages]
    if subject.settings_error is None:
        found["settings"] = {entry.name: entry.value for entry in config_report.entries(subject.resolved)}
    return found
