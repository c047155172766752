"""`Finding`: one thing that a check has to say about one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or not as good as it could be.

    Attributes:
        id: short and stable, such as ``docker-user``; documentation and CI refer to it.
        severity: an ``error`` breaks the deployment or its security, a ``warning`` makes it worse than need be.
        file: the file, relative to the project or the output directory.
        line: its line, counted from 1; `None` where something is missing as a whole.
        message: what is wrong and why that matters.
        remedy: what to do.
    """

    id: str
    severity: Severity
    file: str
    line: int | None
    message: str
    remedy: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{self.severity}: {place}: {self.message} {self.remedy} [{self.id}]"
