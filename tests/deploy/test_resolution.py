"""uv resolves the dependencies of a project before an image is built."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from fluxlit_deploy import resolution
from fluxlit_deploy.dependencies import find_dependencies
from fluxlit_deploy.finding import Finding
from tests.deploy.container.kinds import KINDS, Kind, lock, write
from tests.deploy.projects import project

WHEELS = "--no-index\n--find-links ./wheels\n"


@pytest.fixture(autouse=True)
def found_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let uv be found, and leave the network out."""
    monkeypatch.setenv("PATH", str(Path(find_uv_bin()).parent), prepend=":")
    monkeypatch.setenv("UV_OFFLINE", "1")


def findings(kind: Kind, folder: Path) -> list[Finding]:
    write(kind, folder)
    if kind.locks:
        lock(folder)
    subject = replace(project(), dependencies=find_dependencies(folder, kind.wanted, "3.11"), python="3.11")
    return list(resolution.check(subject, folder))


def wheels(*requirements: str) -> Kind:
    return Kind({"requirements.txt": WHEELS + "".join(f"{each}\n" for each in requirements)})


def test_what_is_there_is_found(tmp_path: Path) -> None:
    assert findings(wheels("fluxlit-cli>=1"), tmp_path) == []


@pytest.mark.parametrize(
    ("requirements", "says"),
    [(["fluxlit-cli>=9"], "fluxlit-cli"), (["fluxlit-cli", "iniconfig==2.3.1"], "iniconfig"), (["a b c"], "a b c")],
)
def test_what_a_build_would_not_find(requirements: list[str], says: str, tmp_path: Path) -> None:
    [found] = findings(wheels(*requirements), tmp_path)
    assert (found.id, found.severity, found.file) == ("project-resolution", "error", "requirements.txt")
    assert says in found.message
    assert "\n" not in found.message


def test_a_lock_that_is_older_than_the_project(tmp_path: Path) -> None:
    project_file = '[project]\nname = "portal"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [{}]\n'
    files = {"pyproject.toml": project_file.format(""), "app.py": ""}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    subprocess.run([find_uv_bin(), "lock", "--quiet", "--offline"], cwd=tmp_path, check=True)
    subject = replace(project(), dependencies=find_dependencies(tmp_path, None, "3.11"))
    assert list(resolution.check(subject, tmp_path)) == []
    (tmp_path / "pyproject.toml").write_text(project_file.format('"portal-lib"') + "[tool.uv.sources]\n"
                                             'portal-lib = { path = "lib" }\n')  # fmt: skip
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "pyproject.toml").write_text('[project]\nname = "portal-lib"\nversion = "1"\n')
    [found] = resolution.check(subject, tmp_path)
    assert (found.severity, "uv lock" in found.remedy) == ("error", True)


def test_without_a_network_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind({"requirements.txt": "--index-url http://ada:hunter2@127.0.0.1:9/simple\nfluxlit-cli\n"})
    assert findings(kind, tmp_path) == []
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    subject = replace(project(), dependencies=find_dependencies(tmp_path, None, "3.11"), python="3.11")
    [found] = resolution.check(subject, tmp_path)
    assert found.severity == "warning"
    assert "hunter2" not in str(found)


def test_a_project_is_not_built_in_its_folder(tmp_path: Path) -> None:
    assert findings(KINDS["setup.py"], tmp_path) == []
    assert not list(tmp_path.rglob("*.egg-info"))


def test_without_uv_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert findings(wheels("fluxlit-cli>=9"), tmp_path / "project") == []
