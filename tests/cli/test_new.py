"""`fluxlit new`: the project that it makes is complete and passes its own checks."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.command import fluxlit, says, write
from tests.support.processes import clean_environ


@pytest.fixture
def project(tmp_path: Path) -> Path:
    done = fluxlit("new", "my-admin_portal", directory=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Created my-admin_portal. Next:\n  cd my-admin_portal\n  fluxlit dev\n"
    return tmp_path / "my-admin_portal"


def check(project: Path, *arguments: str) -> str:
    """Run a tool in the project as its author would."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_has_what_a_project_needs(project: Path) -> None:
    assert {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()} == {
        ".gitignore",
        "README.md",
        "app.py",
        "fluxlit.toml",
        "pyproject.toml",
        "requirements-dev.txt",
        "requirements.txt",
        "tests/test_app.py",
    }
    assert 'title="My admin portal"' in (project / "app.py").read_text()
    assert "$" not in "".join(path.read_text() for path in project.rglob("*") if path.is_file())
    assert tomllib.loads((project / "fluxlit.toml").read_text())["target"] == "app:app"


def test_it_passes_its_own_tests(project: Path) -> None:
    assert "5 passed" in check(project, "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider")


def test_it_passes_the_linter(project: Path) -> None:
    check(project, "ruff", "check", "--no-cache", ".")
    check(project, "ruff", "format", "--no-cache", "--check", ".")


def test_it_overwrites_nothing(project: Path) -> None:
    (project / "app.py").write_text("mine")
    says(fluxlit("new", str(project)), 1, "exists and is not empty. Nothing was written")
    assert (project / "app.py").read_text() == "mine"


def test_an_empty_folder_may_be_filled_and_a_file_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert fluxlit("new", "empty", directory=tmp_path).returncode == 0
    assert (tmp_path / "empty" / "app.py").is_file()
    write(tmp_path, {"taken": ""})
    says(fluxlit("new", "taken", directory=tmp_path), 1, "taken exists and is a file.")


def test_the_current_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert fluxlit("new", ".", directory=tmp_path / "here").returncode == 0
    assert 'title="Here"' in (tmp_path / "here" / "app.py").read_text()


@pytest.mark.parametrize("name", ["9lives", "a b", 'quote"', "ünï", "../-x"])
def test_a_name_that_cannot_be_one(name: str, tmp_path: Path) -> None:
    says(fluxlit("new", "--", name, directory=tmp_path), 1, "cannot name a project", "start with a letter")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, {"file": ""})
    says(fluxlit("new", "file/inside", directory=tmp_path), 1, "file/inside cannot be created: Not a directory")
