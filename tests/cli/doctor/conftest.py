"""A project to examine, in a folder of its own, forgotten afterwards."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.doctor.patient import Patient


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """A healthy project."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    patient = Patient(tmp_path, monkeypatch)
    with patient.stack:
        yield patient
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
