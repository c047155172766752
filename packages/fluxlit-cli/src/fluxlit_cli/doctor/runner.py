"""Runs checks concurrently, each with a time limit.

Each check runs in a daemon thread. A check that hangs is reported and abandoned.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fluxlit.errors import FluxLitError
from fluxlit_cli.doctor.check import Check, Needs
from fluxlit_cli.doctor.subject import Subject, UnavailableError
from fluxlit_cli.finding import Finding, failed, skipped

LIMIT_S = 10.0
IMPORT_LIMIT_S = 60.0


@dataclass(frozen=True)
class Result:
    """A check with its finding.

    Attributes:
        check: the check.
        finding: what it found.
        seconds: how long it took.
    """

    check: Check
    finding: Finding
    seconds: float


class _Running(threading.Thread):
    def __init__(self, check: Check, subject: Subject) -> None:
        super().__init__(name=check.name, daemon=True)
        self.check = check
        self.started = time.monotonic()
        self.seconds = 0.0
        self._subject = subject
        self.finding: Finding | None = None

    def run(self) -> None:
        self.started = time.monotonic()
        finding = examine(self.check, self._subject)
        self.seconds = time.monotonic() - self.started
        self.finding = finding

    def result(self, limit: float, since: float) -> Result:
        self.join(max(0.0, since + limit - time.monotonic()))
        if self.finding is None:
            finding = failed(
                f"not finished within {limit:g} s.", "Find out why it hangs, or raise the limit: --timeout SECONDS."
            )
            return Result(self.check, finding, limit)
        return Result(self.check, self.finding, self.seconds)


def run(subject: Subject, checks: Sequence[Check], limit: float = LIMIT_S) -> list[Result]:
    """Run checks and return their results in the same order.

    Args:
        subject: what they examine; it is opened if a check needs that.
        checks: the checks.
        limit: seconds for each, from when all have begun.
    """
    running: dict[str, _Running] = {}
    for check in checks:
        if check.needs is Needs.MACHINE:
            running[check.name] = _started(check, subject)
    if len(running) < len(checks):
        subject.open(max(limit, IMPORT_LIMIT_S))
    for check in checks:
        if check.needs is not Needs.MACHINE:
            running[check.name] = _started(check, subject)
    # The import of the application has slowed down all that began before it.
    since = time.monotonic()
    return [running[check.name].result(limit, since) for check in checks]


def examine(check: Check, subject: Subject) -> Finding:
    """Run a check in this thread; an exception becomes a failure."""
    try:
        return check.examine(subject)
    except UnavailableError as error:
        return skipped(f"not examined: {error}.")
    except FluxLitError as error:
        return failed(str(error), "")
    except BaseException as error:  # noqa: BLE001  (a check of any distribution)
        detail = f"{type(error).__name__}: {error}"
        return failed(f"the check itself failed with {detail}", "Report this to the maintainers of the check.")


def _started(check: Check, subject: Subject) -> _Running:
    thread = _Running(check, subject)
    thread.start()
    return thread
