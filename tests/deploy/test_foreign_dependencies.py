"""Dependencies that an image is not made of are named, with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxlit_deploy.advice import advise
from fluxlit_deploy.dependencies import LockKind, Wanted, find_dependencies
from fluxlit_deploy.errors import DeployError
from tests.deploy.projects import project

PROJECT = '[project]\nname = "portal"\ndependencies = ["fluxlit-cli"]\n'
PIXI = '[dependencies]\npython = "3.12.*"\ngdal = "*"\n[pypi-dependencies]\nfluxlit-cli = "*"\n'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"pixi.toml": PIXI}, "pixi.toml is for pixi.*List the dependencies under"),
        ({"pyproject.toml": "[tool.pixi.dependencies]\ngdal = '*'\n"}, "pyproject.toml is for pixi"),
        ({"environment.yml": "dependencies: [conda-forge::gdal=3]\n"}, "environment.yml is for conda.*names: gdal"),
        ({"environment.yml": "dependencies: [pip]\n"}, "names: nothing that is needed"),
        ({"pyproject.toml": "[dependency-groups]\nserve = ['fluxlit']\n"}, r'only \(serve\).*groups = \["serve"\]'),
        ({"pyproject.toml": "[tool.hatch.envs.default]\ndependencies = ['fluxlit']\n"}, "environments of Hatch"),
        ({"main.py": b"# caf\xe9\n# /// script\n# ///\n"}, "uv export --script main.py"),
        ({"main.py": "# /// script\n# dependencies = ['fluxlit']\n# ///\n"}, "uv export --script main.py"),
        ({"requirements-prod.txt": "", "requirements-dev.txt": ""}, 'requirements = "requirements-prod.txt"'),
        ({"requirements/requirements.txt": ""}, 'may be in requirements/requirements.txt. Name.* = "requirements/req'),
        ({"requirements.txt": b"# caf\xe9\nfluxlit\n"}, "requirements.txt cannot be read: byte 5 is not UTF-8. Save"),
    ],
)
def test_it_is_refused_with_the_file_and_the_remedy(
    files: dict[str, str | bytes], message: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(DeployError, match=message):
        find_dependencies(tmp_path)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"environment.yml": "dependencies:\n  - python=3.12\n  - gdal\n  - fluxlit_cli\n"}, "environment.yml"),
        ({"pixi.toml": PIXI}, "pixi.toml"),
        ({"pyproject.toml": PROJECT + "[tool.pixi.dependencies]\ngdal = '*'\n"}, "pyproject.toml"),
        ({"environment.yml": "dependencies: [python, pip]\n"}, ""),
    ],
)
def test_conda_packages_that_the_image_lacks_are_named(files: dict[str, str], named: str, tmp_path: Path) -> None:
    for name, content in {"pyproject.toml": PROJECT, **files}.items():
        (tmp_path / name).write_text(content)

    found = list(advise(replace(project(), dependencies=find_dependencies(tmp_path))))
    assert [(each.file, "install: gdal." in each.message) for each in found if each.id == "project-conda"] == (
        [(named, True)] if named else []
    )


def test_a_chosen_group_brings_those_that_it_includes(tmp_path: Path) -> None:
    """PEP 735, also where a group includes itself."""
    (tmp_path / "pyproject.toml").write_text(
        "[dependency-groups]\nserve = [{include-group = 'web'}]\nweb = ['fluxlit', {include-group = 'serve'}]\n"
    )

    found = find_dependencies(tmp_path, Wanted(groups=("serve",)))
    assert (found.kind, set(found.names), found.has_command) == (LockKind.PYPROJECT, {"fluxlit"}, True)


@pytest.mark.parametrize("written", ["requirements.txt", "pyproject.toml", "pylock.toml"])
def test_settings_of_uv_reach_the_installation(written: str, tmp_path: Path) -> None:
    """Without them, a private name would be asked for at the public index."""
    index = '[[index]]\nname = "ours"\nurl = "https://ours.example/simple"\n'
    texts = {
        "requirements.txt": "fluxlit-cli\n",
        "pyproject.toml": PROJECT,
        "pylock.toml": '[[packages]]\nname = "fluxlit-cli"\nversion = "1"\n',
    }
    (tmp_path / "uv.toml").write_text(index)
    (tmp_path / written).write_text(texts[written])
    found = find_dependencies(tmp_path)
    assert ("uv.toml" in found.local, found.private_index) == (True, True)

    if written != "pyproject.toml":
        (tmp_path / "uv.toml").unlink()
        (tmp_path / "pyproject.toml").write_text(f"[tool.uv]\n{index.replace('index', 'tool.uv.index')}")
        found = find_dependencies(tmp_path)
        assert ("pyproject.toml" in found.local, found.private_index) == (True, True)
