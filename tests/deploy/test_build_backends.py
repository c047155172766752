"""Code that a build backend would find makes a project a package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fluxlit_deploy.build_backends import is_package, version_argument

SYSTEM = '[build-system]\nrequires = ["{0}"]\nbuild-backend = "{1}"\n[project]\nname = "My-Portal"\n'
HATCH = SYSTEM.format("hatchling", "hatchling.build")
FLIT = SYSTEM.format("flit_core", "flit_core.buildapi")
UV = SYSTEM.format("uv_build", "uv_build")
PDM = SYSTEM.format("pdm-backend", "pdm.backend")
POETRY = SYSTEM.format("poetry-core", "poetry.core.masonry.api")
SETUPTOOLS = SYSTEM.format("setuptools", "setuptools.build_meta")


@pytest.mark.parametrize(
    ("text", "paths", "expected"),
    [
        ('[project]\nname = "a"\n', ["a/__init__.py"], False),
        ("[build-system]\nrequires = []\n[tool.black]\nline-length = 99\n", ["a/__init__.py"], False),
        (HATCH, ["my_portal/__init__.py"], True),
        (HATCH, ["src/my_portal/__init__.py"], True),
        (HATCH, ["app.py"], False),
        (HATCH + '[tool.hatch.build.targets.wheel]\npackages = ["backend"]\n', ["backend/a.py"], True),
        (FLIT, ["my_portal.py"], True),
        (FLIT, ["other.py"], False),
        (UV, ["src/my_portal/__init__.py"], True),
        (UV, ["app.py"], False),
        (PDM, ["app.py"], True),
        (POETRY, ["my_portal/__init__.py"], True),
        (POETRY, ["app.py"], False),
        (POETRY + '[tool.poetry]\npackages = [{include = "backend"}]\n', ["backend/a.py"], True),
        (POETRY + "[tool.poetry]\npackage-mode = false\n", ["my_portal/__init__.py"], False),
        (SETUPTOOLS, ["backend/a.py", "frontend/a.py"], False),
        (SETUPTOOLS, ["backend/a.py", "tests/a.py", "docs/a.md", "app.py"], True),
        (SETUPTOOLS, ["src/a/__init__.py", "data/a.csv"], True),
        (SETUPTOOLS, ["app.py", "jobs.py"], False),
        (SETUPTOOLS, ["app.py"], True),
        (SETUPTOOLS + '[tool.setuptools]\npackages = ["backend"]\n', ["backend/a.py", "frontend/a.py"], True),
    ],
)
def test_code_is_where_the_backend_looks(text: str, paths: list[str], expected: bool, tmp_path: Path) -> None:
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    assert is_package(tmp_path, tomllib.loads(text)) == expected


@pytest.mark.parametrize(
    ("setup", "expected"),
    [("setup(packages=find_packages())", True), ("setup(name='a')", False)],
)
def test_a_setup_script_may_name_the_packages(setup: str, expected: bool, tmp_path: Path) -> None:
    for folder in ("backend", "frontend"):
        (tmp_path / folder).mkdir()
    (tmp_path / "setup.py").write_text(setup)

    assert is_package(tmp_path, {}) == expected


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        ("setuptools-scm>=8", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("hatch-vcs", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("poetry-dynamic-versioning", "POETRY_DYNAMIC_VERSIONING_BYPASS"),
        ("setuptools", ""),
    ],
)
def test_a_version_out_of_git_is_replaced(requires: str, expected: str) -> None:
    assert version_argument({"build-system": {"requires": [requires]}}) == expected
