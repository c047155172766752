"""A finding of `fluxlit doctor` or `fluxlit config`."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from fluxlit_cli import output


class Status(enum.Enum):
    """The status of a finding, in order of severity."""

    SKIP = "skip"
    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What a check or a rule found.

    Attributes:
        status: ``SKIP`` means not applicable.
        detail: what was found.
        remedy: what to do; empty if nothing.
        id: id of the rule, which never changes; empty for a check, which has a name.
        settings: the settings involved.
    """

    status: Status
    detail: str
    remedy: str = ""
    id: str = ""
    settings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(filter(None, [f"[{self.id}]" if self.id else "", self.detail, self.remedy]))


def passed(detail: str) -> Finding:
    """No problem was found."""
    return Finding(Status.PASS, detail)


def warned(detail: str, remedy: str) -> Finding:
    """It works, with limits."""
    return Finding(Status.WARN, detail, remedy)


def failed(detail: str, remedy: str) -> Finding:
    """It does not work, or is insecure."""
    return Finding(Status.FAIL, detail, remedy)


def skipped(detail: str) -> Finding:
    """The check does not apply."""
    return Finding(Status.SKIP, detail)


def worst(findings: Iterable[Finding]) -> Status:
    """Return the worst status; PASS without findings."""
    return max((each.status for each in findings), key=list(Status).index, default=Status.PASS)


def print_problems(findings: Iterable[Finding]) -> None:
    """Print warnings and errors."""
    for each in findings:
        if each.status in {Status.WARN, Status.FAIL}:
            (output.error if each.status is Status.FAIL else output.warning)(str(each))
