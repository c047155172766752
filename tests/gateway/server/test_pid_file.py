"""The pid file is true, however the process before has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fluxlit.errors import AlreadyRunningError, FluxLitError
from fluxlit.server.pid_file import PidFile, holder


def test_it_holds_the_number_of_this_process_and_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "app.pid"
    held = PidFile(path)
    assert path.read_text() == f"{os.getpid()}\n"
    held.release()
    assert not path.exists()


def test_a_second_server_is_told_about_the_first(tmp_path: Path) -> None:
    path = tmp_path / "app.pid"
    program = (
        "import sys; from pathlib import Path; from fluxlit.server.pid_file import PidFile; "
        "held = PidFile(Path(sys.argv[1]))"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", f"{program}; print('held', flush=True); input()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        assert holder(path) == other.pid
        with pytest.raises(AlreadyRunningError, match=f"as process {other.pid}.*fluxlit shutdown"):
            PidFile(path)
        other.kill()
        other.wait()
        assert path.exists()
        assert holder(path) is None
        PidFile(path).release()


def test_the_number_of_a_stranger_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.pid"
    path.write_text(f"{os.getppid()}\n")
    assert holder(path) is None
    PidFile(path).release()


@pytest.mark.parametrize("place", ["nowhere/app.pid", "."])
def test_a_place_where_it_cannot_be_written(place: str, tmp_path: Path) -> None:
    with pytest.raises(FluxLitError, match=r"pid file .* cannot be written"):
        PidFile(tmp_path / place)


def test_the_file_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "app.pid"
    held = PidFile(path)
    path.unlink()
    path.write_text("1\n")
    held.release()
    assert path.exists()
