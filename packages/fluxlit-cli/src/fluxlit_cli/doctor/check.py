"""What a check is, and what it finds."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxlit_cli.doctor.subject import Subject


class Status(enum.Enum):
    """How a check went. The order is the order of severity."""

    SKIP = "skip"
    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"


class Needs(enum.Enum):
    """What has to be known before a check can run."""

    MACHINE = "machine"
    SETTINGS = "settings"
    APPLICATION = "application"


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        status: how it went; ``SKIP`` means that there was nothing to look at.
        detail: what was found.
        remedy: what to do; empty where nothing has to be done.
    """

    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        name: id that never changes.
        summary: what must hold, in a few words.
        examine: looks, and returns an outcome; what it raises is a failure.
        needs: what it looks at.
    """

    name: str
    summary: str
    examine: Callable[[Subject], Outcome]
    needs: Needs = Needs.SETTINGS


def passed(detail: str) -> Outcome:
    """Everything is as it should be."""
    return Outcome(Status.PASS, detail)


def warned(detail: str, remedy: str) -> Outcome:
    """It works, but not well, or not for long."""
    return Outcome(Status.WARN, detail, remedy)


def failed(detail: str, remedy: str) -> Outcome:
    """It does not work, or it harms."""
    return Outcome(Status.FAIL, detail, remedy)


def skipped(detail: str) -> Outcome:
    """There is nothing to look at."""
    return Outcome(Status.SKIP, detail)
