"""A project to examine: healthy at first, then made ill in one way."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fluxlit_cli.doctor.machine import Machine
from fluxlit_cli.doctor.registry import BUILT_IN
from fluxlit_cli.doctor.runner import run
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding
from tests.cli.command import write

APP = """
from fluxlit import FluxLit

app = FluxLit(title="Patient")

@app.api.get("/n")
def n() -> int:
    return 1

@app.page("/", title="Home")
def home(st):
    st.title("Home")
"""


@dataclass
class Patient:
    """One project.

    Attributes:
        folder: where it is.
        monkeypatch: for what belongs to the process.
        machine: the machine that it is on.
        flags: options of the command line.
        target: what the command is called with.
        stack: what has to be closed afterwards.
    """

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    machine: Machine = field(default_factory=Machine)
    flags: dict[str, object] = field(default_factory=lambda: {"gateway_port": "0"})
    target: str | None = None
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        write(self.folder, APP)
        (self.folder / "home").mkdir()
        (self.folder / "empty-groups").mkdir()
        self.on(
            environ={"PATH": os.environ["PATH"]},
            home=lambda: self.folder / "home",
            cgroups=self.folder / "empty-groups",
            own_cgroup=self.folder / "no-such-file",
            cpus=lambda: 4,
            free_bytes=lambda _: 10**11,
            descriptors=lambda: (1024, 65536),
        )

    def on(self, **facts: Any) -> Patient:
        """Put it on another machine."""
        self.machine = replace(self.machine, **facts)
        return self

    def environ(self, **variables: str) -> Patient:
        """Set variables of the environment."""
        return self.on(environ={**self.machine.environ, **variables})

    def code(self, text: str) -> Patient:
        """Add to the application."""
        with (self.folder / "app.py").open("a") as file:
            file.write(text)
        return self

    def files(self, files: dict[str, str]) -> Patient:
        """Write files."""
        write(self.folder, files)
        return self

    def group(self, name: str, text: str) -> Patient:
        """Set a limit of the control group."""
        return self.files({f"groups/{name}": text}).on(cgroups=self.folder / "groups")

    def flag(self, **flags: object) -> Patient:
        """Set options of the command line."""
        self.flags |= flags
        return self

    def examined(self, *names: str, limit: float = 10) -> dict[str, Finding]:
        """Run some checks, or all."""
        subject = Subject(self.target, self.flags, self.machine, self.folder)
        checks = [check for check in BUILT_IN if not names or check.name in names]
        return {result.check.name: result.finding for result in run(subject, checks, limit)}
