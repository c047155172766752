"""The build stages of several kinds of projects, built by buildah.

FluxLit itself is a stand-in of one command here: test_image.py builds and runs it.
"""

from __future__ import annotations

import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from fluxlit_deploy.dependencies import Wanted, find_dependencies
from fluxlit_deploy.image import files
from fluxlit_deploy.options import Options
from tests.deploy.container.engine import Engine
from tests.deploy.projects import project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WHEEL = "fluxlit_cli-1.0.0-py3-none-any.whl"
SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=68"]\nbuild-backend = "setuptools.build_meta"\n'
PORTAL = '[project]\nname = "portal"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
# From the index, by its hashes.
INICONFIG = (
    "sha256:9121e2c1fdb355232495be3194c8dfe87ccc2d5dee45947b78e68f499790d7a7",
    "sha256:67f4b9c50da0dedf52af349e7749a80a9057a5031199791b906c3bb3ae878960",
)
POETRY_LOCK = f"""
[[package]]
name = "fluxlit-cli"
version = "1.0.0"
groups = ["main"]
[package.source]
type = "file"
url = "wheels/{WHEEL}"
[[package]]
name = "iniconfig"
version = "2.3.1"
groups = ["main"]
files = [{{file = "a", hash = "{INICONFIG[0]}"}}, {{file = "b", hash = "{INICONFIG[1]}"}}]
[[package]]
name = "colorama"
version = "0.4.6"
groups = ["main"]
markers = "sys_platform == 'win32'"
"""
UV = """
[tool.uv.workspace]
members = ["apps/*", "libs/*"]
[tool.uv.sources]
fluxlit-cli = { path = "wheels/%s" }
own = { workspace = true }
"""

PROJECTS: dict[str, tuple[dict[str, str], Wanted]] = {
    "poetry": (
        {
            "pyproject.toml": '[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\niniconfig = "*"\n',
            "poetry.lock": POETRY_LOCK,
        },
        Wanted(),
    ),
    "editable": (
        {
            "requirements.txt": f"-e .[web]\n./wheels/{WHEEL}\n",
            "pyproject.toml": SETUPTOOLS + PORTAL + 'dynamic = ["dependencies", "optional-dependencies"]\n'
            '[tool.setuptools.dynamic]\ndependencies = {file = ["base.txt"]}\n'
            'optional-dependencies.web = {file = ["web.txt"]}\n',
            "base.txt": "",
            "web.txt": "iniconfig\n",
            "src/portal/__init__.py": "",
        },
        Wanted(),
    ),
    "workspace": (
        {
            "pyproject.toml": f"[project]\nname = 'all'\nversion = '1'\nrequires-python = '>=3.11'\n{UV % WHEEL}",
            "apps/web/pyproject.toml": SETUPTOOLS
            + PORTAL
            + 'dependencies = ["fluxlit-cli", "own"]\n[project.optional-dependencies]\nmore = ["iniconfig"]\n',
            "apps/web/portal/__init__.py": "",
            "libs/own/pyproject.toml": f"{SETUPTOOLS}[project]\nname = 'own'\nversion = '1'\n",
            "libs/own/own/__init__.py": "",
        },
        Wanted(package="portal", extras=("more",)),
    ),
}


def stand_in(folder: Path) -> None:
    """Write a wheel with a command that succeeds."""
    info = "fluxlit_cli-1.0.0.dist-info"
    members = {
        "fluxlit_stand_in.py": "def main():\n    pass\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: fluxlit-cli\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nfluxlit = fluxlit_stand_in:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*members, f"{info}/RECORD"))
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in (members | {f"{info}/RECORD": record}).items():
            wheel.writestr(name, text)


@pytest.mark.parametrize("kind", PROJECTS)
def test_each_kind_is_built(kind: str, store: Path, tmp_path: Path) -> None:
    contents, wanted = PROJECTS[kind]
    for name, text in ({"app.py": ""} | contents).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    stand_in(tmp_path / "wheels")
    if kind == "workspace":
        subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=tmp_path, check=True)
    for file in files(replace(project(), dependencies=find_dependencies(tmp_path, wanted, "3.11")), Options()):
        (tmp_path / file.path).write_text(file.text)
    engine = Engine(store)

    engine.build(tmp_path, kind, "--layers", "--target", "build")

    tree = engine.unpack(kind)
    [packages] = (tree / "opt/venv/lib").glob("python*/site-packages")
    installed = {each.name.partition("-")[0] for each in packages.glob("*.dist-info")}
    assert {"fluxlit_cli", "iniconfig"} <= installed
    assert "colorama" not in installed
    if kind != "poetry":
        assert "portal" in installed
