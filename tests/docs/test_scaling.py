"""docs/explanation/scaling.md shows the figures of its simulation."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.markdown import blocks
from tests.docs.runner import commands
from tests.support.processes import ROOT, clean_environ

PAGE = (ROOT / "docs" / "explanation" / "scaling.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([\d.]+) ms[^|]*\| ([\d ]+) \| ([\d ]+) \| ([\d ]+) \|$", re.MULTILINE)


def simulated(*arguments: str) -> str:
    """What the simulation prints."""
    command = [sys.executable, "benchmarks/simulation.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_the_command_prints_what_the_page_shows() -> None:
    (block,) = [block for block in blocks(PAGE) if "simulation.py" in block.source]
    (command,) = commands(block.source)
    assert simulated(*command.line.split()[2:]) == command.expected


@pytest.mark.parametrize("row", ROW.findall(PAGE), ids=lambda row: row[0])
def test_each_row_of_the_table_is_the_simulations(row: tuple[str, ...]) -> None:
    cost, people, thousand, many = (cell.replace(" ", "") for cell in row)
    shown = simulated("--cpu", str(float(cost) / 1000), "1000", "100000")
    assert re.findall(r"(\d+) people,|: (\d+) workers", shown) == [(people, ""), ("", thousand), ("", many)]


def test_a_page_that_waits_takes_more_people() -> None:
    found = re.search(
        r"with `--wait 0.3` beside 50 ms of CPU a worker still takes (\d+) people", " ".join(PAGE.split())
    )
    assert found is not None
    assert f"One worker: {found[1]} people" in simulated("--cpu", "0.05", "--wait", "0.3")


def test_a_page_that_is_too_slow_for_any_user_is_reported() -> None:
    command = [sys.executable, "benchmarks/simulation.py", "--cpu", "2"]
    done = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "make the page faster" in done.stderr
