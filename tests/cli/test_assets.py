"""`fluxlit assets`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fluxlit.frontend import Cache
from tests.cli.command import nothing_left, says
from tests.support.processes import clean_environ
from tests.support.terminal import CTRL_C, terminal

PROGRAM = """
import pathlib, sys
from fluxlit.frontend.files import Files
from fluxlit_cli.main import main
root = pathlib.Path(sys.argv.pop(1))
sys.prefix = str(root / "environment")
Files.of_streamlit = classmethod(lambda cls: cls(root / "static", "1.0"))
main()
"""


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """The command in an environment of its own, with a small front end."""
    scripts = tmp_path / "static" / "static" / "js"
    scripts.mkdir(parents=True)
    for number in range(20):
        (scripts / f"part{number}.AAAAAA{number:02}.js").write_text(f"console.log({number});\n" * 2000)
    (tmp_path / "static" / "index.html").write_text("<html>")
    return [sys.executable, "-c", PROGRAM, str(tmp_path), "assets"]


def test_a_person_sees_a_progress_bar_and_what_came_out(small: list[str], tmp_path: Path) -> None:
    with nothing_left() as mark, terminal(small, cwd=tmp_path, environ=clean_environ() | mark) as screen:
        assert screen.process.wait(60) == 0
        screen.reader.join(60)
    assert re.search(r"Compressing .*100%", screen.shown)
    assert "20 files of Streamlit 1.0: 0.7 MB, with Brotli 0.0 MB, in" in screen.shown.replace("\r\n", "")


def test_a_log_gets_the_result_alone(small: list[str], tmp_path: Path) -> None:
    done = subprocess.run(small, capture_output=True, text=True, timeout=60, env=clean_environ(), check=True)
    folder = tmp_path / "environment" / "share" / "fluxlit" / "streamlit-1.0"
    assert done.stdout == f"20 files of Streamlit 1.0: 0.7 MB, with Brotli 0.0 MB, in {folder}\n"
    assert done.stderr == ""
    assert len(list(folder.iterdir())) == 20


def test_without_a_folder_it_says_what_to_do(small: list[str], tmp_path: Path) -> None:
    (tmp_path / "environment").write_text("a file in its place")
    environ = clean_environ(XDG_CACHE_HOME=str(tmp_path / "environment"))
    done = subprocess.run(small, capture_output=True, text=True, timeout=60, env=environ, check=False)
    says(done, 1, "Set XDG_CACHE_HOME")


def test_what_cannot_be_written_is_said(small: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "environment" / "share" / "fluxlit" / "streamlit-1.0"
    name = "static-js-part7.AAAAAA07.js.AAAAAA07-7d00.br11"
    (folder / name).mkdir(mode=0o755, parents=True)
    done = subprocess.run(small, capture_output=True, text=True, timeout=60, env=clean_environ(), check=False)
    says(done, 1, f"cannot be written to {folder}")


def test_ctrl_c_ends_it_and_what_is_done_is_whole(small: list[str], tmp_path: Path) -> None:
    scripts = tmp_path / "static" / "static" / "js"
    noise = "".join(f"{number * 7919 % 104729:x}," for number in range(300_000))
    for number in range(20):
        (scripts / f"large{number}.BBBBBB{number:02}.js").write_text(f"{number}{noise}")
    with nothing_left() as mark, terminal(small, cwd=tmp_path, environ=clean_environ() | mark) as screen:
        screen.wait_for("Compressing .* [1-9]")
        screen.type(CTRL_C)
        assert screen.process.wait(60) == 130
        screen.reader.join(60)
    assert "Traceback" not in screen.shown
    folder = tmp_path / "environment" / "share" / "fluxlit" / "streamlit-1.0"
    names = [file.name for file in folder.iterdir()]
    assert 0 < len(names) < 40
    assert all(Cache([folder], None).get(name) is not None for name in names)
