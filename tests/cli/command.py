"""Running the command as a user does: in a process of its own."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.processes import clean_environ

COMMAND = (sys.executable, "-W", "error::SyntaxWarning", "-m", "fluxlit_cli")
_MARK = "TEST_OF_THE_COMMAND"


def fluxlit(*arguments: str, directory: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; fail if a process of it lives on."""
    with nothing_left() as mark:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=directory,
            env=clean_environ(UV_OFFLINE="1", **environ) | mark,  # FluxLit is on no index that it could ask
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@contextmanager
def nothing_left() -> Iterator[dict[str, str]]:
    """Yield a variable that marks processes; none may remain afterwards."""
    value = uuid.uuid4().hex
    yield {_MARK: value}
    left = [process for process in psutil.process_iter() if _carries(process, value)]
    _, alive = psutil.wait_procs(left, timeout=60)
    commands = [process.cmdline() for process in alive]
    for process in alive:
        process.kill()
    assert commands == []


def _carries(process: psutil.Process, value: str) -> bool:
    try:
        return process.pid != os.getpid() and bool(process.environ().get(_MARK) == value)
    except psutil.Error:
        return False


def says(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """Check that a command failed with one message with these parts."""
    lines = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert [line for line in lines if line.startswith("error: ")] == [lines[0]], done.stderr
    assert "Traceback" not in done.stderr
    assert [part for part in parts if part not in done.stderr] == [], done.stderr
    assert done.stdout == ""


def write(directory: Path, files: dict[str, str] | str) -> Path:
    """Write files; a text alone is app.py."""
    for name, text in ({"app.py": files} if isinstance(files, str) else files).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def imported(arguments: Sequence[str]) -> set[str]:
    """Return the top-level packages that a command imports."""
    program = (
        "import sys; from fluxlit_cli.main import run; run(sys.argv[1:]);"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, env=clean_environ()
    )
    return set(done.stdout.rpartition("MODULES")[2].split())
