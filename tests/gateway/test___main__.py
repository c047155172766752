"""`python -m fluxlit` is the command, or reports what it needs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from fluxlit import __main__ as entry
from tests.support.processes import clean_environ


def test_it_is_the_command() -> None:
    command = [sys.executable, "-m", "fluxlit", "--version"]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("fluxlit 1.")


def test_without_the_command_it_says_where_that_is_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="comes with the distribution fluxlit-cli"):
        entry.main()
