"""However the parent ends, nothing that it started stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.supervisor.processes import alive
from tests.support.waiting import until

ENDINGS = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP, signal.SIGABRT]


@pytest.fixture
def parents() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for parent in started:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()


def start(name: str, directory: Path, parents: list[subprocess.Popen[str]]) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("parent.py")), name, str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    parents.append(parent)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    return parent, int((directory / "pid").read_text())


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
@pytest.mark.parametrize("name", ["waits", "ignores-sigterm", "stops-itself", "grabs-the-interpreter"])
def test_the_child_dies_with_its_parent(
    tmp_path: Path, parents: list[subprocess.Popen[str]], name: str, ending: signal.Signals
) -> None:
    parent, child = start(name, tmp_path, parents)
    assert alive(child)
    parent.send_signal(ending)
    parent.wait(60)
    until(lambda: not alive(child))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=lambda ending: ending.name)
def test_what_the_child_started_dies_too(
    tmp_path: Path, parents: list[subprocess.Popen[str]], ending: signal.Signals
) -> None:
    parent, child = start("forks", tmp_path, parents)
    grandchild = int((tmp_path / "grandchild").read_text())
    parent.send_signal(ending)
    parent.wait(60)
    until(lambda: not alive(child) and not alive(grandchild))


def test_what_a_stopped_child_started_dies_too(tmp_path: Path, parents: list[subprocess.Popen[str]]) -> None:
    parent, child = start("forks", tmp_path, parents)
    grandchild = int((tmp_path / "grandchild").read_text())
    os.kill(child, signal.SIGSTOP)
    os.kill(grandchild, signal.SIGSTOP)
    parent.kill()
    parent.wait(60)
    until(lambda: not alive(child) and not alive(grandchild))


@pytest.mark.parametrize("name", ["forks", "forks-and-prints"])
def test_an_exception_in_the_parent_leaves_nothing(
    tmp_path: Path, parents: list[subprocess.Popen[str]], name: str
) -> None:
    (tmp_path / "raise").touch()
    parent, child = start(name, tmp_path, parents)
    assert parent.wait(60) == 1
    grandchild = int((tmp_path / "grandchild").read_text())
    until(lambda: not alive(child) and not alive(grandchild))


def test_subprocesses_of_the_child_do_not_hold_the_lifeline(
    tmp_path: Path, parents: list[subprocess.Popen[str]]
) -> None:
    _, child = start("forks", tmp_path, parents)
    grandchild = int((tmp_path / "grandchild").read_text())
    descriptors = Path(f"/proc/{grandchild}/fd")
    links = [str(entry.readlink()) for entry in descriptors.iterdir()]
    assert str((descriptors / "0").readlink()) == os.devnull
    assert not [link for link in links if link.startswith("socket:")]
    # The pipes that it may hold are the child's output, nothing else.
    assert len([link for link in links if link.startswith("pipe:")]) <= 2
    assert alive(child)
