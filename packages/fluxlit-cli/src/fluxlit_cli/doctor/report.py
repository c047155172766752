"""The report of the doctor, as text and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fluxlit.observability.logs import redact
from fluxlit_cli import output
from fluxlit_cli.doctor.runner import Result
from fluxlit_cli.finding import Status, worst

_COLOURS = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.SKIP: "dim"}


def document(subject: str, results: Sequence[Result], *, lenient: bool, details: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as JSON values. The shape only ever grows.

    Args:
        subject: the target, or the URL.
        results: the results of the checks.
        lenient: the exit code ignores failures.
        details: what ``--verbose`` adds.
    """
    return {
        "status": worst(result.finding for result in results).value,
        "target": subject,
        "warnings_only": lenient,
        "checks": [
            {
                "name": result.check.name,
                "status": result.finding.status.value,
                "detail": redact(result.finding.detail),
                "remedy": redact(result.finding.remedy),
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
        **({"verbose": dict(details)} if details else {}),
    }


def lines(results: Sequence[Result], *, verbose: bool) -> Iterator[str]:
    """Yield the problems with their remedies, worst first, and the counts.

    Args:
        results: the results of the checks.
        verbose: show the other checks, too.
    """
    order = [Status.FAIL, Status.WARN, *([Status.PASS, Status.SKIP] if verbose else [])]
    shown = [result for status in order for result in results if result.finding.status is status]
    width = max((len(result.check.name) for result in shown), default=0)
    for result in shown:
        finding = result.finding
        word = output.paint(finding.status.name, _COLOURS[finding.status])
        time = f" ({result.seconds:.2f} s)" if verbose else ""
        yield f"{word}  {result.check.name:<{width}}  {redact(finding.detail)}{time}"
        if finding.remedy:
            yield f"      {'':<{width}}  {output.paint('->', 'dim')} {redact(finding.remedy)}"
        if verbose:
            yield output.paint(f"      {'':<{width}}  ({result.check.summary})", "dim")
    yield summary(results)


def summary(results: Sequence[Result]) -> str:
    """Count the results in one line."""
    count = Counter(result.finding.status for result in results)
    parts = [f"{count[Status.PASS]} passed", f"{count[Status.WARN]} warned", f"{count[Status.FAIL]} failed"]
    if count[Status.SKIP]:
        parts.append(f"{count[Status.SKIP]} not applicable")
    return f"{output.counted(len(results), 'check')}: {', '.join(parts)}"
