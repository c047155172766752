"""Only servers start a worker before the command line is parsed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from fluxlit_cli.head_start import begun, early, serves
from tests.cli.command import fluxlit, nothing_left
from tests.support.processes import clean_environ

SLOW = {"asyncio", "fastapi", "pydantic", "typer", "uvicorn"}
UNNEEDED = {"http.cookiejar", "httpx._client", "joserfc", "pydantic.v1", "rich", "tomli_w", "yaml"}

LINES = {
    "run": True,
    "--debug run app:app --port 1": True,
    "dev": True,
    "workbench": True,
    "run --help": False,
    "--version": False,
    "": False,
    "doctor": False,
    "new run": False,
    "config schema": False,
}


@pytest.mark.parametrize("line", LINES)
def test_which_command_lines_seem_to_want_a_server(line: str) -> None:
    assert serves(line.split()) is LINES[line]


def test_nothing_that_takes_long_is_imported_before_it() -> None:
    program = "import sys, fluxlit_cli.main, fluxlit.server.launch; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean_environ()
    )
    assert not SLOW & set(done.stdout.split())


@pytest.mark.parametrize("program", ["fluxlit_cli.run, fluxlit.server.serve", "fluxlit.worker.program"])
def test_no_process_imports_what_a_start_does_not_need(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {program}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environ(),
    )
    assert not UNNEEDED & set(done.stdout.split())


def test_it_runs_inside_the_block_and_ends_with_it() -> None:
    with begun(["run"]):
        worker = early()
        assert worker is not None
        assert worker.popen.poll() is None
        assert time.monotonic() - worker.started < 30
    assert worker.popen.returncode is not None
    with begun(["doctor"]):
        pass


def test_wrong_use_leaves_no_process(tmp_path: Path) -> None:
    assert fluxlit("run", "--nonsense", directory=tmp_path).returncode == 2  # which also looks for what is left


def test_an_interrupted_command_leaves_no_process(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from fluxlit_cli import command_line, main\n"
        "def interrupted(**_): raise KeyboardInterrupt\n"
        "command_line.app = interrupted\n"
        "main.main(['run'])\n"
    )
    with nothing_left() as mark:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=clean_environ() | mark, timeout=60, check=False
        )
    assert done.returncode == 130
