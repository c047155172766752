"""A check of the doctor."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluxlit_cli.finding import Finding

if TYPE_CHECKING:
    from fluxlit_cli.doctor.subject import Subject


class Needs(enum.Enum):
    """What a check needs to run."""

    MACHINE = "machine"
    SETTINGS = "settings"
    APPLICATION = "application"


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: id that never changes.
        summary: what must hold, in a few words.
        examine: runs the check; an exception is a failure.
        needs: what it examines.
    """

    name: str
    summary: str
    examine: Callable[[Subject], Finding]
    needs: Needs = Needs.SETTINGS
