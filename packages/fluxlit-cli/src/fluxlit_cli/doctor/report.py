"""What the doctor says, as text and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fluxlit.observability.logs import redact
from fluxlit_cli import output
from fluxlit_cli.doctor.check import Status
from fluxlit_cli.doctor.runner import Result, verdict

_COLOURS = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.SKIP: "dim"}


def document(subject: str, results: Sequence[Result], *, lenient: bool, details: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as JSON values. The shape only ever grows.

    Args:
        subject: the target, or the URL.
        results: what was found.
        lenient: failures do not count for the exit code.
        details: what ``--verbose`` adds.
    """
    return {
        "status": verdict(results).value,
        "target": subject,
        "warnings_only": lenient,
        "checks": [
            {
                "name": result.check.name,
                "status": result.outcome.status.value,
                "detail": redact(result.outcome.detail),
                "remedy": redact(result.outcome.remedy),
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
        **({"verbose": dict(details)} if details else {}),
    }


def lines(results: Sequence[Result], *, verbose: bool) -> Iterator[str]:
    """Write a line for each check, the remedy below it, and the count at the end."""
    width = max((len(result.check.name) for result in results), default=0)
    for result in results:
        outcome = result.outcome
        if outcome.status is Status.SKIP and not verbose:
            continue
        word = output.paint(outcome.status.name, _COLOURS[outcome.status])
        time = f" ({result.seconds:.2f} s)" if verbose else ""
        yield f"{word}  {result.check.name:<{width}}  {redact(outcome.detail)}{time}"
        if outcome.remedy:
            yield f"      {'':<{width}}  {output.paint('->', 'dim')} {redact(outcome.remedy)}"
        if verbose:
            yield output.paint(f"      {'':<{width}}  ({result.check.summary})", "dim")
    yield summary(results)


def summary(results: Sequence[Result]) -> str:
    """Count the results in one line."""
    count = Counter(result.outcome.status for result in results)
    told = [f"{count[Status.PASS]} passed", f"{count[Status.WARN]} warned", f"{count[Status.FAIL]} failed"]
    if count[Status.SKIP]:
        told.append(f"{count[Status.SKIP]} had nothing to look at")
    return f"{len(results)} checks: {', '.join(told)}"
