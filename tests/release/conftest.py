"""The built files and the environments they are installed into."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.release.environments import Environment, needed_siblings
from tests.support.chromium import open_chromium
from tests.support.processes import ROOT


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI test the files that it has just built."""
    parser.addoption("--built", type=Path, help="the output of `hatch run build:all`; without, it is built anew")


@pytest.fixture(scope="session")
def dist(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of every distribution."""
    given: Path | None = request.config.getoption("--built")
    if given is not None:
        return given.resolve()
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, str(ROOT / "scripts" / "build_all.py"), str(folder)], check=True, timeout=900)
    return folder


@pytest.fixture(scope="session")
def wheels(dist: Path) -> dict[str, Path]:
    """The wheel of every distribution, by its name."""
    return {path.name.split("-")[0].replace("_", "-"): path for path in dist.glob("*.whl")}


@pytest.fixture(scope="session")
def install_alone(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path]) -> Callable[[str], Environment]:
    """Return an environment with one distribution and its dependencies.

    Made once per distribution.
    """
    made: dict[str, Environment] = {}

    def install(name: str) -> Environment:
        if name not in made:
            environment = Environment.create(tmp_path_factory.mktemp(name) / "venv")
            environment.install(wheels[name], *(wheels[sibling] for sibling in sorted(needed_siblings(name))))
            made[name] = environment
        return made[name]

    return install


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with open_chromium() as chromium:
        yield chromium
