"""Running checks side by side, each with a time limit.

Every check has a thread of its own. One that hangs is reported and left behind: its thread does not keep the
program from ending.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fluxlit.errors import FluxLitError
from fluxlit_cli.doctor.check import Check, Needs, Outcome, Status, failed, skipped
from fluxlit_cli.doctor.subject import NothingToSeeError, Subject

LIMIT_S = 10.0
IMPORT_LIMIT_S = 60.0


@dataclass(frozen=True)
class Result:
    """A check that was run.

    Attributes:
        check: the check.
        outcome: what it found.
        seconds: how long it took.
    """

    check: Check
    outcome: Outcome
    seconds: float


class _Running(threading.Thread):
    def __init__(self, check: Check, subject: Subject) -> None:
        super().__init__(name=check.name, daemon=True)
        self.check = check
        self.started = time.monotonic()
        self.seconds = 0.0
        self._subject = subject
        self.outcome: Outcome | None = None

    def run(self) -> None:
        self.started = time.monotonic()
        outcome = examine(self.check, self._subject)
        self.seconds = time.monotonic() - self.started
        self.outcome = outcome

    def result(self, limit: float) -> Result:
        self.join(max(0.0, self.started + limit - time.monotonic()))
        if self.outcome is None:
            outcome = failed(
                f"no answer within {limit:g} s.", "What it looks at hangs; --timeout SECONDS gives it longer."
            )
            return Result(self.check, outcome, limit)
        return Result(self.check, self.outcome, self.seconds)


def run(subject: Subject, checks: Sequence[Check], limit: float = LIMIT_S) -> list[Result]:
    """Run checks and return what they found, in the same order.

    Args:
        subject: what they look at; it is opened if one of them needs that.
        checks: the checks.
        limit: seconds that each may take.
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
    return [running[check.name].result(limit) for check in checks]


def examine(check: Check, subject: Subject) -> Outcome:
    """Run one check in this thread; whatever it raises becomes part of its outcome."""
    try:
        return check.examine(subject)
    except NothingToSeeError as error:
        return skipped(f"not examined: {error}.")
    except FluxLitError as error:
        return failed(str(error), "Correct what the message names.")
    except BaseException as error:  # noqa: BLE001  (the check may be anybody's)
        told = f"{type(error).__name__}: {error}"
        return failed(f"the check itself failed with {told}", "Report this to whoever made the check.")


def _started(check: Check, subject: Subject) -> _Running:
    thread = _Running(check, subject)
    thread.start()
    return thread


def verdict(results: Sequence[Result]) -> Status:
    """Return the worst status; PASS if there was nothing to look at."""
    order = list(Status)
    return max((result.outcome.status for result in results), key=order.index, default=Status.PASS)
